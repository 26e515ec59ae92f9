import { expect, test } from "vitest";
import { backfillText } from "../helpers/backfill.ts";
import { stepText } from "../helpers/code-steps.ts";
import { useProject } from "../helpers/project-fixture.ts";

const shop = useProject();

test("status, plan, migrate and wait say what a migration's code is, and what waits for it", async () => {
  const { project, tidemark } = shop;
  await project.write(
    "drizzle/0001_add_author.ts",
    backfillText(`table: "notes", set: "author = 'nobody'", background: true`),
  );
  await project.write("drizzle/0002_first_note.ts", stepText("run: async () => {}"));
  const sql = "-- tidemark: requires 0001_add_author\nselect 1;";
  await project.write("drizzle/0002_first_note.sql", sql);

  const json = async (command: string) => {
    const env = { DATABASE_URL: shop.database.url };
    return JSON.parse((await project.run([command, "--json"], env)).stdout);
  };
  const status = await tidemark("status");
  // It is not loaded for that: who looks at a status runs nothing of it.
  expect(status).toContain("0001_add_author runs code too: drizzle/0001_add_author.ts");
  expect((await json("status")).pendingCode).toEqual([
    { tag: "0001_add_author", file: "drizzle/0001_add_author.ts" },
    { tag: "0002_first_note", file: "drizzle/0002_first_note.ts" },
  ]);

  const plan = await tidemark("plan");
  expect(plan).toContain(
    "-- then its backfill of notes, in the background: drizzle/0001_add_author.ts",
  );
  expect(plan).toContain(
    "-- 0002_first_note is held back: it requires 0001_add_author, which is not applied.",
  );
  expect(await json("plan")).toMatchObject({
    heldBack: { tag: "0002_first_note", requires: "0001_add_author", backfill: null },
    steps: [
      { tag: "0000_create_notes", code: null },
      { code: { kind: "backfill", table: "notes", background: true, statement: 3 } },
    ],
  });

  const migrated = await tidemark("migrate");
  expect(migrated).toContain("0001_add_author fills public.notes in the background");
  expect(migrated).toContain("which has a backfill that is PENDING");
  expect(await tidemark("plan")).toContain(
    "Nothing to run now. 0002_first_note is held back: it requires 0001_add_author, which has a backfill that is PENDING.",
  );
  expect(await tidemark("wait", "--timeout", "0")).toContain(
    "1 of 3 migrations are still pending: 0002_first_note. No runner is working on it. 0002_first_note is held back: it requires 0001_add_author, which has a backfill that is PENDING.",
  );
});
