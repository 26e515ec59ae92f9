import postgres from "postgres";
import { beforeEach, describe, expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { useProject } from "../helpers/project-fixture.ts";

const shop = useProject();
const { tidemark } = shop;

/** The rest of the history, in place of the last of the three migrations. */
const NEXT = `ALTER TABLE "notes" ADD COLUMN "token" uuid DEFAULT gen_random_uuid();--> statement-breakpoint
CREATE TABLE "tags" ("id" serial PRIMARY KEY, "note_id" integer REFERENCES "notes");--> statement-breakpoint
CREATE INDEX CONCURRENTLY "notes_body_idx" ON "notes" ("body");--> statement-breakpoint
ALTER TABLE "notes" ALTER COLUMN "author" SET NOT NULL;--> statement-breakpoint
DO $$ BEGIN PERFORM 1; END $$;
`;

beforeEach(async () => {
  await shop.project.write("drizzle/0002_first_note.sql", NEXT);
  await tidemark("migrate", "--to", "0001_add_author");
  await shop.database
    .sql`insert into notes (body, author) select 'b', 'a' from generate_series(1, 1200)`;
});

/** With the parts that differ from run to run left out. */
async function plan(...args: readonly string[]): Promise<string> {
  return (await tidemark(...args))
    .replaceAll(/\d+ kB {2}/g, "<size>  ")
    .replaceAll(/pid \d+/g, "pid <pid>");
}

describe("tidemark plan", () => {
  test("shows each lock, on what, for how long in kind, and how big and busy the table is", async () => {
    const text = await plan("plan", "--sample", "0");
    expect(text).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      -- 0002_first_note (drizzle/0002_first_note.sql, 5 statements)
      -- in one transaction:
      ALTER TABLE "notes" ADD COLUMN "token" uuid DEFAULT gen_random_uuid();
      CREATE TABLE "tags" ("id" serial PRIMARY KEY, "note_id" integer REFERENCES "notes");
      -- outside a transaction:
      CREATE INDEX CONCURRENTLY "notes_body_idx" ON "notes" ("body");
      -- in one transaction:
      ALTER TABLE "notes" ALTER COLUMN "author" SET NOT NULL;
      DO $$ BEGIN PERFORM 1; END $$;

      -- statement          lock                     on          for      rows   size    writes/s
      -- 0002_first_note 1  ACCESS EXCLUSIVE         notes       rewrite  1,200  <size>  0
      -- 0002_first_note 2  ACCESS EXCLUSIVE (held)  notes       instant  1,200  <size>  0
      -- 0002_first_note 3  SHARE UPDATE EXCLUSIVE   notes       scan     1,200  <size>  0
      -- 0002_first_note 4  ACCESS EXCLUSIVE         notes       scan     1,200  <size>  0
      -- 0002_first_note 5  not known                a DO block
      --
      -- Nobody is in the way now.
      -- Writes were counted for <duration>.
      -- 1 pending. Nothing was run.
      "
    `);
    expect(await plan("migrate", "--dry-run")).toBe(
      text.replace("counted for 0 s", "counted for 1 s"),
    );
    expect(await tidemark("status", "--check")).toMatch(/^exit code 3\n/);
  });

  test("names who is in the way, for which statement, with its query masked", async () => {
    const other = postgres(shop.database.url, {
      max: 1,
      connection: { application_name: "report" },
    });
    const session = await other.reserve();
    await session.unsafe(
      "begin isolation level repeatable read; select count(*), 'password=hush' as p from notes",
    );
    const text = await plan("plan", "--sample", "0");
    await session.unsafe("rollback");
    session.release();
    await other.end();
    expect(text).toContain(
      "-- In the way now:\n--  pid <pid> (postgres, report), idle in transaction for <duration>: begin",
    );
    expect(text).toContain(
      "--  in the way of 0002_first_note 1 (notes); 0002_first_note 3 (its snapshot); 0002_first_note 4 (notes)",
    );
    expect(text).not.toContain("hush");
  });

  test("says that nothing is pending, and refuses a sample that is no number of seconds", async () => {
    await tidemark("migrate");
    expect(await tidemark("plan")).toBe("exit code 0\n--- stdout\nNothing pending.\n");
    expect(await tidemark("plan", "--sample", "soon")).toContain(
      "--sample is soon, where seconds from 0 to 600 are expected.",
    );
  });
});

test("each example of its help is a command that runs", async () => {
  const help = createProgram(() => undefined).commands.find((one) => one.name() === "plan");
  let text = "";
  help
    ?.configureOutput({
      writeOut: (part) => {
        text += part;
      },
    })
    .outputHelp();
  const examples = [...text.matchAll(/^ {2}\$ tidemark ([^|>\n]*)/gm)].map(([, args = ""]) =>
    args.trim().split(/\s+/),
  );
  expect(examples.length).toBeGreaterThan(3);
  const screens = examples.map((args) => {
    const known = args.map((arg) => (arg === "0003_add_orgs" ? "0002_first_note" : arg));
    return tidemark(...known, "--sample", "0");
  });
  for (const screen of await Promise.all(screens)) expect(screen).toMatch(/^exit code 0\n/);
});
