import { readFile } from "node:fs/promises";
import { beforeEach, describe, expect, test } from "vitest";
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
    expect(await rollback()).toMatchInlineSnapshot();
  });

  test("takes the newest back", async () => {
    expect(await rollback("--yes")).toMatchInlineSnapshot();
    expect(await tidemark("status", "--check")).toMatch(/^exit code 3\n/);
  });

  test("refuses to lose rows, names tables and numbers, and wants the database's name", async () => {
    expect(await rollback("--to", "0000_create_notes", "--yes")).toMatchInlineSnapshot();
    const allowed = ["--steps", "2", "--yes", "--allow-data-loss"];
    expect(await rollback(...allowed)).toMatchInlineSnapshot();
    expect(await rollback(...allowed, "--database", "other")).toMatchInlineSnapshot();
    expect(await rollback(...allowed, "--database", shop.database.name)).toMatchInlineSnapshot();
  });

  test("--dry-run shows the statements and what goes, and runs nothing", async () => {
    expect(await rollback("--steps", "all", "--dry-run")).toMatchInlineSnapshot();
    expect(await rollback("--dry-run", "--json")).toMatchInlineSnapshot();
    expect(await tidemark("status", "--check")).toMatch(/^exit code 0\n/);
  });

  test("says what is wrong with its options, and where there is nothing to take back", async () => {
    expect(await rollback("--steps", "none", "--yes")).toMatchInlineSnapshot();
    expect(await rollback("--steps", "9", "--yes")).toMatchInlineSnapshot();
    await shop.database.sql`delete from notes`;
    expect(await rollback("--steps", "all", "--yes", "--json")).toContain('"outcome":"reverted"');
    expect(await rollback("--yes")).toMatchInlineSnapshot();
  });

  test("that failed is shown by status, and given up by repair", async () => {
    await shop.project.write("drizzle/0002_first_note.down.sql", "select 1 / 0;");
    expect(await rollback("--yes")).toMatchInlineSnapshot();
    expect(await tidemark("migrate")).toMatchInlineSnapshot();
    expect(await tidemark("repair")).toMatchInlineSnapshot();
    expect(await tidemark("status", "--check")).toMatch(/^exit code 0\n/);
  });
});

test("each example of its help runs as it stands, on a history that has such tags", async () => {
  const command = createProgram(() => undefined).commands.find(({ name }) => name() === "rollback");
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
