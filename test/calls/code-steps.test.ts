import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DatabaseMigrator, type GivenMigration } from "../../src/db/migrate/index.ts";
import { defineStep } from "../../src/db/steps/index.ts";
import { stepText, writeStep } from "../helpers/code-steps.ts";
import { useProject } from "../helpers/project-fixture.ts";

const here = useProject();
const dir = () => join(here.project.root, "drizzle");
const TAG = "0001_add_author";

test("the command line shows a step before and while it runs, and takes it back by the down file", async () => {
  await writeStep(
    dir(),
    TAG,
    stepText(
      "    ctx.log(\"filling\");\n    await ctx.sql`insert into notes (body) values ('by the step')`;",
    ),
  );
  expect(await here.tidemark("plan")).toContain(
    "-- then its code step: drizzle/0001_add_author.ts",
  );
  const env = { DATABASE_URL: here.database.url };
  const planned = await here.project.run(["plan", "--json"], env);
  expect(JSON.parse(planned.stdout).steps.map(({ code }: { code: unknown }) => code)).toEqual([
    null,
    {
      ...{ file: "drizzle/0001_add_author.ts", statement: 3 },
      ...{ kind: "step", table: null, background: false },
    },
    null,
  ]);
  const run = await here.project.run(["migrate", "--json", "--step-timeout", "20"], env);
  expect(JSON.parse(run.stdout)).toMatchObject({ outcome: "applied" });
  expect(run.stderr).toContain("0001_add_author: filling");
  expect(await here.database.sql`select body from notes order by id`).toEqual([
    { body: "by the step" },
    { body: "hello" },
  ]);
  expect(await here.tidemark("status")).toMatch(/0001_add_author +DONE/);
  await writeFile(
    join(dir(), "0002_first_note.down.sql"),
    "delete from notes where body = 'hello';",
  );
  expect(await here.tidemark("rollback", "--steps", "2", "--yes")).toContain("0001_add_author");
  await writeFile(
    join(dir(), `${TAG}.down.sql`),
    "delete from notes;\nalter table notes drop column author;",
  );
  await here.tidemark(
    "rollback",
    "--steps",
    "2",
    "--yes",
    "--allow-data-loss",
    "--database",
    here.database.name,
  );
  expect(await here.database.sql`select * from notes`).toEqual([]);
  await here.tidemark("migrate");
  expect(await here.database.sql`select count(*)::integer as n from notes`).toEqual([{ n: 2 }]);
});

test("a step that fails is told with its line, and with --json as an error", async () => {
  await writeStep(dir(), TAG, stepText('    throw new RangeError("not so");'));
  const { code, stdout, stderr } = await here.project.run(["migrate", "--json"], {
    DATABASE_URL: here.database.url,
  });
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    error: {
      code: "migration_failed",
      tag: TAG,
      details: { file: "drizzle/0001_add_author.ts", line: 5 },
    },
  });
  expect(stderr).toContain("5 |     throw new RangeError");
  expect(await here.tidemark("status")).toMatch(/0001_add_author +FAILED/);
  expect(await here.tidemark("resolve", TAG, "--done")).toContain(
    "Nothing of 0001_add_author is in doubt",
  );
  await writeStep(dir(), TAG, stepText(""));
  expect(await here.tidemark("migrate")).toContain("0001_add_author");
});

test("a history from memory carries its steps, each with a version of its own", async () => {
  const history = (version: string): readonly GivenMigration[] => [
    { tag: "0000_a", sql: "create table a (n integer)" },
    {
      ...{ tag: "0001_b", sql: "select 1" },
      step: {
        version,
        definition: defineStep({
          run: async ({ sql }) => void (await sql`insert into a values (1)`),
        }),
      },
    },
  ];
  const migrator = (version: string) =>
    new DatabaseMigrator({ url: here.database.url, history: history(version) });
  expect(await migrator("1").migrate()).toMatchObject({ outcome: "applied" });
  expect(await migrator("1").migrate()).toMatchObject({ outcome: "current" });
  expect(await here.database.sql`select n from a`).toEqual([{ n: 1 }]);
  await expect(migrator("2").migrate()).rejects.toMatchObject({
    code: "checksum_mismatch",
    fact: expect.stringContaining("the given step of 0001_b was edited"),
  });
});
