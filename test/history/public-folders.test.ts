import { cp, readFile, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { useDatabase } from "../helpers/database.ts";
import { journalOf, THREE } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { createProject, type Project } from "../helpers/project.ts";

/*
 * Folders as public Drizzle projects have them: fixtures written for these tests in the style
 * of drizzle-kit 0.x, each run as a stranger would, by the command line, untouched.
 */

const database = useDatabase();
let project: Project;

beforeEach(async () => {
  project = await createProject();
  // The project's own drizzle-kit, for `defineConfig`.
  await symlink(resolve("node_modules"), join(project.root, "node_modules"));
});

afterEach(async () => {
  await project.remove();
});

const run = (...args: readonly string[]) => project.run(args, { DATABASE_URL: database.url });
const fixture = (name: string) => resolve("test/fixtures/public-folders", name);

interface Expected {
  /** In the order in which they run. */
  readonly tags: readonly string[];
  readonly warnings?: readonly string[];
}

/** All pending, then applied once and in order, then nothing left to do. */
async function expectToRunThrough({ tags, warnings: messages = [] }: Expected): Promise<void> {
  const warnings = messages.map((message) => ({ kind: "stray-file", message }));
  const before = await run("status", "--json", "--check");
  expect(before).toMatchObject({ code: 3, stderr: "" });
  expect(JSON.parse(before.stdout)).toMatchObject({ pending: tags.length, problems: [], warnings });

  const migrated = await run("migrate", "--json");
  expect(migrated).toMatchObject({ code: 0 });
  const report = JSON.parse(migrated.stdout) as { applied: readonly { tag: string }[] };
  expect(report).toMatchObject({ outcome: "applied", version: tags.at(-1), warnings });
  expect(report.applied.map(({ tag }) => tag)).toEqual(tags);
  const { events } = await expectFoldToMatch(database.url);
  const done = events.filter(({ type }) => type === "migration.done");
  expect(done.map(({ tag }) => tag)).toEqual(tags);

  const after = await run("status", "--json", "--check");
  expect(after.code).toBe(0);
  const { migrations } = JSON.parse(after.stdout) as {
    migrations: readonly { tag: string; state: string; flags: readonly string[] }[];
  };
  expect(migrations.map(({ tag, state, flags }) => [tag, state, flags])).toEqual(
    tags.map((tag) => [tag, "DONE", []]),
  );
  expect(await run("migrate")).toEqual({
    code: 0,
    stdout: `Nothing pending. The database is at ${tags.at(-1)}.\n`,
    stderr: messages.map((warning) => `warning: ${warning}\n`).join(""),
  });
}

describe("a shop: timestamps for prefixes, an enum value used in the next file, two thirds of the snapshots lost", () => {
  const tags = [
    "20240112093015_init",
    "20240228092000_order_notes",
    "20240221072000_refunds",
    "20240321054640_refund_lost_orders",
  ];
  const warnings = ["seed.sql has no entry in meta/_journal.json and is not run."];

  beforeEach(async () => {
    await cp(fixture("shop"), join(project.root, "src/db/migrations"), { recursive: true });
    await project.write(
      "drizzle.config.ts",
      `import { defineConfig } from "drizzle-kit";

export default defineConfig({
  schema: "./src/db/schema.ts",
  out: "./src/db/migrations",
  dialect: "postgresql",
  dbCredentials: { url: process.env.DATABASE_URL! },
});
`,
    );
  });

  test("runs in the journal's order, though `when` and the names say another", async () => {
    await expectToRunThrough({ tags, warnings });
    expect(await database.sql`select status, note, timeouts, total from orders`).toEqual([
      {
        status: "refunded",
        // The file's own time-outs held in that file, and no longer.
        note: "lost in the post, 5s",
        timeouts: "3s 30s",
        total: "12.50",
      },
    ]);
    expect(await database.sql`select email from customers`).toEqual([{ email: "ada@example.com" }]);
    expect(await database.sql`select enum_range(null::order_status)::text as all`).toEqual([
      { all: "{open,paid,lost,disputed,refunded}" },
    ]);
  });

  test("runs file by file as well", async () => {
    for (const tag of tags) {
      expect(await run("migrate", "--to", tag)).toMatchObject({ code: 0 });
    }
    const { stdout } = await run("status", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ pending: 0, version: tags.at(-1), problems: [] });
  });
});

describe("a forum in a monorepo: free names, `breakpoints: false`, keys of somebody's own", () => {
  const tags = ["init", "9_threads", "0007_touch_threads", "add-views"];
  const warnings = ["old_drop_everything.sql has no entry in meta/_journal.json and is not run."];
  const dir = "packages/db/drizzle";

  beforeEach(async () => {
    await cp(fixture("forum"), join(project.root, dir), { recursive: true });
    await project.write(
      "drizzle.config.mjs",
      `import { join } from "node:path";
const workspace = join("packages", "db");
export default { schema: join(workspace, "schema.ts"), out: join(workspace, "drizzle"), dialect: "postgresql" };
`,
    );
  });

  const expectContent = async () => {
    const [thread] =
      await database.sql`select title, touched_at::date::text as on from forum.newest`;
    expect(thread?.on).toBe("2024-01-01");
    expect(thread?.title.replaceAll("\r", "")).toBe("What does\n--> statement-breakpoint\ndo?");
    expect(await database.sql`select name from forum.members order by id`).toEqual([
      { name: "Zoë; DROP TABLE members; --" },
      { name: "O'Brien 🌊" },
    ]);
    expect(await database.sql`select members from forum.counts`).toEqual([{ members: 2 }]);
  };

  test("runs to the end", async () => {
    await expectToRunThrough({ tags, warnings });
    await expectContent();
  });

  test("runs to the end with the line ends and the byte-order mark of a Windows editor", async () => {
    for (const file of ["meta/_journal.json", ...tags.map((tag) => `${tag}.sql`)]) {
      const text = await readFile(join(project.root, dir, file), "utf8");
      await project.write(join(dir, file), `\uFEFF${text.replaceAll("\n", "\r\n")}`);
    }
    await expectToRunThrough({ tags, warnings });
    await expectContent();
    // The same history, checked out on another system.
    await cp(fixture("forum"), join(project.root, dir), { recursive: true });
    expect(await run("status", "--check")).toMatchObject({ code: 0 });
  });
});

test("names with spaces, capitals and letters of any script", async () => {
  const tags = ["0000_Ada's First Table", "0001_TÜREN", "0002_表を追加", "0003 100% $HOME (final)"];
  for (const [i, tag] of tags.entries()) {
    await project.write(`drizzle/${tag}.sql`, `create table "table ${i}" (id integer);`);
  }
  await project.list(tags);
  await expectToRunThrough({ tags });
});

test("a history without entries has nothing to do", async () => {
  await project.list([]);
  expect(await run("migrate")).toEqual({
    code: 0,
    stdout: "Nothing pending. The database is at empty.\n",
    stderr: "",
  });
  expect(await run("status", "--check")).toEqual({
    code: 0,
    stdout: "0 pending. The database is at no version.\n",
    stderr: "",
  });
});

describe("a file of 1,500 statements", () => {
  const tag = "0000_import";
  const statements = Array.from({ length: 300 }, (_, i) => [
    `CREATE TABLE "t${i}" ("id" serial PRIMARY KEY NOT NULL, "name" text DEFAULT 'a;b' NOT NULL)`,
    `ALTER TABLE "t${i}" ADD COLUMN "created_at" timestamp DEFAULT now()`,
    `CREATE INDEX IF NOT EXISTS "t${i}_name_idx" ON "t${i}" USING btree ("name")`,
    `COMMENT ON TABLE "t${i}" IS 'table ${i}'`,
    `INSERT INTO "t${i}" ("name") VALUES ('row ${i}')`,
  ]).flat();
  const write = (list: readonly string[]) =>
    project.write(`drizzle/${tag}.sql`, `${list.join(";--> statement-breakpoint\n")};\n`);

  test("runs within seconds, and says so in a few lines", { timeout: 60_000 }, async () => {
    await write(statements);
    await project.list([tag]);
    const start = Date.now();
    const { code, stderr } = await run("migrate");
    expect(code).toBe(0);
    expect(Date.now() - start).toBeLessThan(20_000);
    const known =
      /^(created the ledger in schema tidemark|1 pending|0000_import \(1 of 1, 1500 statements\) [\d.]+ s|✓ 0000_import {2}[\d.]+ m?s)$/;
    expect(
      stderr
        .trimEnd()
        .split("\n")
        .filter((line) => !known.test(line)),
    ).toEqual([]);
    expect(stderr).toMatch(/1 pending\n(.*\n)*✓ 0000_import/);
    const { rows } = await expectFoldToMatch(database.url);
    expect(rows).toMatchObject([{ tag, state: "DONE", statementsDone: 1_500, attempt: 1 }]);
    expect(
      await database.sql`select count(*)::integer as tables from pg_class where relname ~ '^t[0-9]+$'`,
    ).toEqual([{ tables: 300 }]);
    expect(await run("migrate")).toMatchObject({ code: 0, stderr: "" });
  });

  test("that fails near its end names the statement, and leaves nothing", async () => {
    await write(statements.with(1_320, `INSERT INTO "t1" ("name") VALUES (NULL)`));
    await project.list([tag]);
    const { code, stderr } = await run("migrate", "--quiet");
    expect(code).toBe(1);
    expect(stderr).toContain("statement 1321 of 1500, SQLSTATE 23502");
    expect(stderr).toContain(`drizzle/${tag}.sql:1321:1: null value in column "name"`);
    expect(stderr.length).toBeLessThan(2_000);
    expect(await database.sql`select to_regclass('t1') as t1`).toEqual([{ t1: null }]);
  });
});

describe("the folder is found where the configuration says", () => {
  const spellings: readonly (readonly [string, string, string, string])[] = [
    [
      "defineConfig, with what this machine lacks imported",
      "drizzle.config.ts",
      `import "dotenv/config";
import { defineConfig } from "drizzle-kit";
export default defineConfig({ out: "./src/db/migrations", dialect: "postgresql" });`,
      "src/db/migrations",
    ],
    [
      "a path alias, and no `out`",
      "drizzle.config.ts",
      `import { type Config } from "drizzle-kit";
import { env } from "~/env";
export default { schema: "./src/db/schema.ts", dialect: "postgresql", dbCredentials: { url: env.url } } satisfies Config;`,
      "drizzle",
    ],
    [
      "a variable of the same name",
      "drizzle.config.ts",
      `import type { Config } from "drizzle-kit";
const out: string = "./db/sql";
export default { out, dialect: "postgresql" } satisfies Config;`,
      "db/sql",
    ],
    [
      "an environment variable with a default",
      "drizzle.config.ts",
      `import { defineConfig } from "drizzle-kit";
export default defineConfig({ out: process.env.MIGRATIONS ?? "./migrations", dialect: "postgresql" });`,
      "migrations",
    ],
    [
      "__dirname",
      "drizzle.config.ts",
      `import path from "node:path";
export default { out: path.resolve(__dirname, "src/db/migrations") };`,
      "src/db/migrations",
    ],
    [
      "import.meta.url",
      "drizzle.config.mts",
      `import { fileURLToPath } from "node:url";
export default { out: fileURLToPath(new URL("./packages/db/drizzle", import.meta.url)) };`,
      "packages/db/drizzle",
    ],
    [
      "a template",
      "drizzle.config.mjs",
      `const db = "packages/db";\nexport default { out: \`./\${db}/drizzle\` };`,
      "packages/db/drizzle",
    ],
    [
      "CommonJS, with another one in a comment",
      "drizzle.config.js",
      `/** @type {import("drizzle-kit").Config} — out: "./old" */
module.exports = { out: './migrations' };`,
      "migrations",
    ],
    [
      "JSON",
      "drizzle.config.json",
      `{ "dialect": "postgresql", "out": "./src/db/migrations/" }`,
      "src/db/migrations",
    ],
    ["no `out`", "drizzle.config.json", `{ "dialect": "postgresql" }`, "drizzle"],
  ];

  test.each(spellings)("%s (%s)", async (_name, file, text, dir) => {
    await project.write(file, text);
    await project.write("src/env.ts", "export const env = { url: process.env.DATABASE_URL };");
    await project.write(
      "tsconfig.json",
      `{ "compilerOptions": { "baseUrl": ".", "paths": { "~/*": ["./src/*"] } } }`,
    );
    for (const [tag, sql] of Object.entries(THREE)) await project.write(`${dir}/${tag}.sql`, sql);
    await project.write(`${dir}/meta/_journal.json`, journalOf(Object.keys(THREE)));
    const { code, stdout, stderr } = await run("status", "--json");
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ pending: 3 });
  });

  test("a configuration of another name, named with --config", async () => {
    await project.write(
      "packages/db/drizzle.config.ts",
      `export default { out: "packages/db/drizzle" };`,
    );
    await cp(fixture("shop"), join(project.root, "packages/db/drizzle"), { recursive: true });
    const { stdout } = await run("status", "--json", "--config", "packages/db/drizzle.config.ts");
    expect(JSON.parse(stdout)).toMatchObject({ pending: 4 });
  });
});
