import { expect, test } from "vitest";
import type { Progress } from "../../src/db/migrate/index.ts";
import {
  DatabaseMigrator,
  MigrateError,
  type MigratorOptions,
} from "../../src/db/migrate/index.ts";
import { IMPORT, stepText, writeStep } from "../helpers/code-steps.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_people":
    "create table people (id integer primary key, name text, tags text[], at timestamptz);",
  "0001_fill": "insert into people values (1, 'ada', '{a,b}', '2024-01-02T03:04:05Z');",
  "0002_more": "create table more (id integer);",
});

const migrator = (options: Partial<MigratorOptions> = {}) =>
  new DatabaseMigrator({ url: database.url, dir: folder.dir, ...options });

async function failure(run = migrator().migrate()): Promise<MigrateError> {
  const error = await run.then(
    () => expect.unreachable("it did not fail"),
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(MigrateError);
  return error;
}

test("a step runs after the SQL of its migration, once, and is committed with its record", async () => {
  await writeStep(
    folder.dir,
    "0001_fill",
    stepText(`    const [row] = await ctx.sql\`select * from people where id = \${1}\`;
    ctx.log(JSON.stringify(row));
    const name: string = row.name + "!";
    await ctx.sql\`update people set name = \${name}, tags = \${["x", 'y"z']} where id = 1\`;
    await ctx.sql.query("insert into people (id, name) values ($1, $2)", [2, ctx.tag + " " + ctx.attempt]);`),
  );
  const seen: Progress[] = [];
  const report = await migrator().migrate({ onProgress: (progress) => void seen.push(progress) });
  expect(report.applied.map(({ tag }) => tag)).toEqual(["0000_people", "0001_fill", "0002_more"]);
  expect(seen).toContainEqual({
    kind: "step-log",
    tag: "0001_fill",
    line: '{"id":1,"name":"ada","tags":["a","b"],"at":"2024-01-02T03:04:05.000Z"}',
  });
  expect(await database.sql`select id, name, tags from people order by id`).toEqual([
    { id: 1, name: "ada!", tags: ["x", 'y"z'] },
    { id: 2, name: "0001_fill 1", tags: null },
  ]);
  expect(await migrator().migrate()).toMatchObject({ outcome: "current" });
  const events = await migrator().events({ tag: "0001_fill" });
  expect(events.map(({ type, payload }) => [type, payload.statement, payload.statements])).toEqual([
    ["migration.started", 0, 2],
    ["statement.done", 1, 2],
    ["migration.done", 2, 2],
  ]);
  expect(events.at(-1)?.payload.code).toMatchObject({ outcome: "ran" });
});

test("check decides whether there is something to do", async () => {
  await writeStep(
    folder.dir,
    "0001_fill",
    stepText(
      `    await ctx.sql\`delete from people\`;`,
      "  check: async (ctx) => (await ctx.sql`select from people where id = 7`).length > 0,\n",
    ),
  );
  await migrator().migrate();
  expect(await database.sql`select count(*)::integer as n from people`).toEqual([{ n: 1 }]);
  const done = (await migrator().events({ tag: "0001_fill" })).at(-1);
  expect(done).toMatchObject({
    type: "migration.done",
    payload: { code: { outcome: "not-needed" } },
  });
});

test("drizzle-orm works on the step's own transaction", async () => {
  const file = await writeStep(folder.dir, "0001_fill", "");
  await writeStep(
    folder.dir,
    "0001_fill",
    `${IMPORT}
import { eq, sql } from ${JSON.stringify(import.meta.resolve("drizzle-orm").replace("file://", ""))};
import { integer, jsonb, pgTable, text, timestamp } from ${JSON.stringify(import.meta.resolve("drizzle-orm/pg-core").replace("file://", ""))};
const people = pgTable("people", { id: integer().primaryKey(), name: text(), tags: text().array(), at: timestamp({ withTimezone: true }) });
const docs = pgTable("docs", { id: integer(), doc: jsonb(), at: timestamp() });
export default defineStep({
  run: async ({ db, log }) => {
    const [ada] = await db.select().from(people).where(eq(people.id, 1));
    log(JSON.stringify(ada));
    await db.insert(people).values({ id: 2, name: "bob", tags: ["q"], at: new Date(0) });
    await db.execute(sql\`create table docs (id integer, doc jsonb, at timestamp)\`);
    await db.insert(docs).values({ id: 1, doc: { a: [1, "2"] }, at: new Date(0) });
    log(JSON.stringify(await db.select().from(docs)));
    log(JSON.stringify(await db.execute(sql\`select count(*)::integer as n from people\`)));
  },
});
`,
  );
  expect(file).toContain("0001_fill.ts");
  const lines: string[] = [];
  await migrator().migrate({
    onProgress: (progress) => {
      if (progress.kind === "step-log") lines.push(progress.line);
    },
  });
  expect(lines).toEqual([
    '{"id":1,"name":"ada","tags":["a","b"],"at":"2024-01-02T03:04:05.000Z"}',
    '[{"id":1,"doc":{"a":[1,"2"]},"at":"1970-01-01T00:00:00.000Z"}]',
    '[{"n":2}]',
  ]);
  expect(await database.sql`select jsonb_typeof(doc) as type from docs`).toEqual([
    { type: "object" },
  ]);
});

test("a step that throws is rolled back, recorded with its place, and runs again once it is mended", async () => {
  const file = await writeStep(
    folder.dir,
    "0001_fill",
    stepText(
      `    await ctx.sql\`delete from people\`;\n    throw new TypeError("no such thing", { cause: new Error("deeper") });`,
    ),
  );
  const error = await failure();
  expect(error).toMatchObject({
    code: "migration_failed",
    tag: "0001_fill",
    outcome: "partly-committed",
    place: { file, line: 6, column: 11 },
    cause: { name: "TypeError", message: "no such thing" },
    applied: ["0000_people"],
    notRun: ["0002_more"],
  });
  expect(error.message).toContain("TypeError: no such thing");
  expect(error.message).toContain("cause: deeper");
  expect(error.message).toContain("goes on with its code step");
  expect(await database.sql`select id from people`).toEqual([{ id: 1 }]);
  const status = await migrator().status();
  expect(status.migrations[1]).toMatchObject({
    state: { kind: "FAILED", statementsDone: 1, error: { file, line: 6, statement: 2 } },
  });
  await writeStep(folder.dir, "0001_fill", stepText(`    await ctx.sql\`delete from people\`;`));
  expect(await migrator().migrate()).toMatchObject({ outcome: "applied" });
  expect(await database.sql`select id from people`).toEqual([]);
});

test("a query that the server refuses shows the line that asked", async () => {
  const file = await writeStep(
    folder.dir,
    "0001_fill",
    stepText(`    await ctx.sql\`select 1\`;\n    await ctx.sql\`insert into people values (1)\`;`),
  );
  const error = await failure();
  expect(error).toMatchObject({
    place: { file, line: 6 },
    recorded: { sqlState: "23505", detail: expect.stringContaining("people_pkey") },
  });
});

test.each([".mts", ".js", ".mjs"])("a step may end in %s", async (ending) => {
  const text = stepText("    await ctx.sql`delete from people`;");
  const source =
    ending === ".mts"
      ? text
      : text.replace(
          IMPORT,
          'const defineStep = (step) => ({ ...step, [Symbol.for("tidemark.code")]: "step" });',
        );
  await writeStep(folder.dir, "0001_fill", source, ending);
  await migrator().migrate();
  expect(await database.sql`select id from people`).toEqual([]);
});
