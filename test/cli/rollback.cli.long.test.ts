import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, inject, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { useProject } from "../helpers/project-fixture.ts";
import { screen } from "../helpers/screen.ts";

const shop = useProject();
const tidemark = shop.tidemark;

/** What `tidemark rollback` prints, with the database's name left out. */
async function rollback(...args: readonly string[]): Promise<string> {
  return (await tidemark("rollback", ...args)).replaceAll(shop.database.name, "<database>");
}

beforeEach(async () => {
  await shop.project.write("drizzle/0000_create_notes.down.sql", 'drop table "notes";');
  await shop.project.write(
    "drizzle/0001_add_author.down.sql",
    'drop index "notes_author_idx";\nalter table "notes" drop column "author";',
  );
  await shop.project.write("drizzle/0002_first_note.down.sql", "select 1;");
  await tidemark("migrate");
});

describe("tidemark rollback, away from a terminal", () => {
  test("wants --yes, as nobody can be asked", async () => {
    expect(await rollback()).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) This is not a terminal, so nobody can be asked.
      Nothing was run. --dry-run shows what would be taken back; --yes takes it back without asking.
      "
    `);
  });

  test("takes the newest back", async () => {
    expect(await rollback("--yes")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Took back 1 migration in <duration>. The database is at 0001_add_author.
      --- stderr
      1 migration to take back
      ✓ 0002_first_note taken back  <duration>
      "
    `);
    expect(await tidemark("status", "--check")).toMatch(/^exit code 3\n/);
  });

  test("refuses to lose rows, names tables and numbers, and wants the database's name", async () => {
    expect(await rollback("--to", "0000_create_notes", "--yes")).toMatchInlineSnapshot(`
      "exit code 1
      --- stderr
      error (data_loss) This rollback of the database <database> would lose rows:
        0001_add_author: column notes.author (1 row)
      Nothing was run. Make a backup, then allow it: --allow-data-loss --database <database> (named, as this is not a terminal).
      "
    `);
    const allowed = ["--steps", "2", "--yes", "--allow-data-loss"];
    expect(await rollback(...allowed)).toMatchInlineSnapshot(`
      "exit code 1
      --- stderr
      error (data_loss) This rollback of the database <database> would lose rows:
        0001_add_author: column notes.author (1 row)
      Nothing was run. Make a backup, then allow it: --allow-data-loss --database <database> (named, as this is not a terminal).
      "
    `);
    expect(await rollback(...allowed, "--database", "other")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) This is the database <database>, not other.
      Nothing was run. Check the URL, and the name that --database gives.
      "
    `);
    expect(await rollback(...allowed, "--database", shop.database.name)).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Took back 2 migrations in <duration>. The database is at 0000_create_notes.
      --- stderr
      2 migrations to take back
      ✓ 0002_first_note taken back  <duration>
      ✓ 0001_add_author taken back  <duration>
      "
    `);
  });

  test("--dry-run shows the statements and what goes, and runs nothing", async () => {
    expect(await rollback("--steps", "all", "--dry-run")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      -- 0002_first_note (drizzle/0002_first_note.down.sql, 1 statement)
      select 1;

      -- 0001_add_author (drizzle/0001_add_author.down.sql, 2 statements)
      -- loses: column notes.author (1 row)
      drop index "notes_author_idx";
      alter table "notes" drop column "author";

      -- 0000_create_notes (drizzle/0000_create_notes.down.sql, 1 statement)
      -- loses: table notes (1 row)
      drop table "notes";

      -- Takes back 0002_first_note, 0001_add_author, 0000_create_notes. The database would be at no version.
      "
    `);
    expect(await rollback("--dry-run", "--json")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      {"outcome":"pending","database":"<database>","isLocal":true,"isBusy":false,"steps":[{"tag":"0002_first_note","file":"drizzle/0002_first_note.down.sql","statements":["select 1"],"resumeAt":0,"outside":[],"segments":[{"kind":"transaction","statements":[1]}],"masked":[],"source":"folder","loses":[]}],"versionAfter":"0001_add_author","problems":[],"warnings":[]}
      "
    `);
    expect(await tidemark("status", "--check")).toMatch(/^exit code 0\n/);
  });

  test("says what is wrong with its options, and where there is nothing to take back", async () => {
    expect(await rollback("--steps", "none", "--yes")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) --steps is none, where a whole number from 1 or \`all\` is expected.
      Nothing was run. Give how many migrations are to be taken back.
      "
    `);
    expect(await rollback("--steps", "9", "--yes")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) 9 migrations were to be taken back, and 3 are applied.
      Nothing was run. \`--steps all\` takes all of them back; \`tidemark status\` lists them.
      "
    `);
    await shop.database.sql`delete from notes`;
    expect(await rollback("--steps", "all", "--yes", "--json")).toContain('"outcome":"reverted"');
    expect(await rollback("--yes")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Nothing to take back. The database is at no version.
      "
    `);
  });

  test("that failed is shown by status, and given up by repair", async () => {
    await shop.project.write("drizzle/0002_first_note.down.sql", "select 1 / 0;");
    expect(await rollback("--yes")).toMatchInlineSnapshot(`
      "exit code 1
      --- stderr
      1 migration to take back
      error (migration_failed) drizzle/0002_first_note.down.sql:1:1: division by zero

      1 | select 1 / 0;
        | ^

      statement 1 of 1, SQLSTATE 22012
      state: Nothing of 0002_first_note was taken back: it is applied as before.
      Next: correct drizzle/0002_first_note.down.sql (or the data it met) and its line in tidemark.sum (\`tidemark sum\`), then run \`tidemark rollback\` again. To leave the migration applied: \`tidemark repair\`.
      "
    `);
    expect(await tidemark("migrate")).toMatchInlineSnapshot(`
      "exit code 6
      --- stderr
      error (in_doubt) The rollback of 0002_first_note began at <time> and did not end: nothing of it is committed.
      Nothing was run. \`tidemark rollback\` goes on with it; \`tidemark repair\` leaves the migration applied.
      "
    `);
    expect(await tidemark("repair")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      0002_first_note was on its way down, FAILED: division by zero. Its rollback is given up: it is applied as before.
      "
    `);
    expect(await tidemark("status", "--check")).toMatch(/^exit code 0\n/);
  });
});

/** Runs `tidemark rollback` on a terminal, and types an answer. */
async function onTerminal(answer: string, ...args: readonly string[]) {
  const main = join(inject("build"), "cli/main.js");
  const command = [process.execPath, main, "rollback", ...args].join(" ");
  const { PATH = "", HOME = "" } = process.env;
  const env = { PATH, HOME, TERM: "dumb", NO_COLOR: "1", DATABASE_URL: shop.database.url };
  const child = spawn("script", ["-qefc", command, "/dev/null"], { cwd: shop.project.root, env });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    if (!text.includes("[y/N]") && (text + chunk).includes("[y/N]")) child.stdin.write(answer);
    text += chunk;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  return { code, text };
}

describe.runIf(process.platform === "linux")("tidemark rollback, on a terminal", () => {
  test.each([
    ["n\r", 1, "Nothing was run."],
    ["\u0003", 1, "Nothing was run."],
    ["\u0004", 1, "Nothing was run."],
    ["y\r", 0, "Took back 1 migration"],
  ])("asks, and takes %j for an answer", async (answer, code, end) => {
    const shown = await onTerminal(answer);
    expect(shown.text).toContain(
      `Take back 1 migration of ${shop.database.name}, to 0001_add_author?`,
    );
    expect(shown).toMatchObject({ code, text: expect.stringContaining(end) });
    expect(await tidemark("status", "--check")).toMatch(
      code === 0 ? /^exit code 3/ : /^exit code 0/,
    );
  });

  test("asks nobody before the loss of rows is allowed; then shows them", async () => {
    const refused = await onTerminal("y\r", "--steps", "2");
    expect(refused).toMatchObject({ code: 1, text: expect.stringContaining("--allow-data-loss") });
    expect(refused.text).not.toContain("[y/N]");
    const asked = await onTerminal("n\r", "--steps", "2", "--allow-data-loss");
    expect(asked.text).toMatch(/column notes\.author \(1 row\).*with the rows above/s);
  });
});

test("each example of its help runs as it stands, on a history that has such tags", async () => {
  const command = createProgram(() => undefined).commands.find((one) => one.name() === "rollback");
  let help = "";
  command
    ?.configureOutput({
      writeOut: (text) => {
        help += text;
      },
    })
    .outputHelp();
  const lines = [...help.matchAll(/^ {2}\$ tidemark (rollback.*)$/gm)].map(([, line = ""]) => line);
  expect(lines.length).toBeGreaterThan(2);
  await shop.project.write("drizzle/0003_add_orgs.sql", "create table orgs (id integer);");
  await shop.project.write("drizzle/0003_add_orgs.down.sql", "drop table orgs;");
  await shop.project.write("drizzle/0004_more.sql", "create table more (id integer);");
  await shop.project.write("drizzle/0004_more.down.sql", "drop table more;");
  const tags = ["0000_create_notes", "0001_add_author", "0002_first_note", "0003_add_orgs"];
  await shop.project.list([...tags, "0004_more"]);
  for (const line of lines) {
    await tidemark("migrate");
    const args = line.replace("--database shop", `--database ${shop.database.name}`).split(" ");
    const end = await shop.project.run(args, { DATABASE_URL: shop.database.url });
    expect(screen(end), line).toMatch(/^exit code 0\n/);
  }
  // The README has the command, as `npm run docs:commands` writes it.
  expect(await readFile("README.md", "utf8")).toContain("| `tidemark rollback ");
});
