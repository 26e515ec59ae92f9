import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { draftMigration, exportSchema } from "../../src/db/kit/index.ts";
import { createKitProject } from "../helpers/kit-project.ts";

const ONE = `export const users = pgTable("users", { id: serial().primaryKey(), fullName: text() });`;
const answers = { renames: [], others: "ask" } as const;

test("a schema is exported as the statements that make it, whatever its folder holds", async () => {
  const config = { dialect: "postgresql", schema: "./schema.ts", casing: "snake_case" };
  const here = await createKitProject(
    `export const app = pgSchema("app"); ${ONE.replace("pgTable", "app.table")}`,
    config,
  );
  onTestFinished(here.remove);
  await here.write("drizzle/not-a-folder-of-migrations", "");
  expect(await exportSchema({ cwd: here.root })).toEqual([
    'CREATE SCHEMA "app";\n',
    'CREATE TABLE "app"."users" (\n\t"id" serial PRIMARY KEY NOT NULL,\n\t"full_name" text\n);\n',
  ]);
  expect(Object.keys(await here.files())).toEqual(["not-a-folder-of-migrations"]);
});

test("a draft touches nothing before it is kept, and is kept with files of the caller's", async () => {
  const here = await createKitProject(ONE);
  onTestFinished(here.remove);
  const config = join(here.root, "drizzle.config.ts");
  const options = { cwd: here.root, config, dir: "drizzle", name: "users", answers };
  const [draft, rival] = await Promise.all([draftMigration(options), draftMigration(options)]);
  expect(await here.files()).toEqual({});
  if (draft.kind !== "drafted" || rival.kind !== "drafted") throw new Error(draft.kind);
  expect(draft).toMatchObject({
    tag: "0000_users",
    file: "drizzle/0000_users.sql",
    statements: [expect.stringContaining('CREATE TABLE "users"')],
    schemas: { before: undefined, after: { tables: { "public.users": {} } } },
    warnings: [],
  });
  const down = { path: "0000_users.down.sql", text: "drop table users;" };
  expect(await draft.keep([down])).toMatchObject({ file: "drizzle/tidemark.sum", migrations: 1 });
  expect(await here.files()).toMatchObject({
    "0000_users.sql": draft.sql,
    "0000_users.down.sql": "drop table users;",
    "meta/0000_snapshot.json": expect.stringContaining(
      '"prevId": "00000000-0000-0000-0000-000000000000"',
    ),
  });
  // Somebody else was faster.
  const before = await here.files();
  await expect(rival.keep()).rejects.toMatchObject({
    code: "history_invalid",
    fact: "drizzle/meta/_journal.json was changed while drizzle-kit was running.",
  });
  expect(await here.files()).toEqual(before);
});
