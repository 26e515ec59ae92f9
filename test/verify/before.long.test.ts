import { expect, inject, onTestFinished, test } from "vitest";
import { createKitProject } from "../helpers/kit-project.ts";

const SCHEMA = `import { integer, pgSchema, pgTable, text } from "drizzle-orm/pg-core";
export const users = pgTable("users", { id: integer().primaryKey(), name: text() });
`;

const BEFORE = `create extension if not exists citext;
create schema if not exists auth;
create table if not exists auth.accounts (id integer primary key, email citext);
`;

test("what before.sql makes, and the schema of drizzle's table, are there wherever a history is tried", async () => {
  const project = await createKitProject();
  onTestFinished(project.remove);
  const scratch = ["--scratch-url", inject("serverUrl")];
  const done = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await project.run([...args, ...scratch]);
    expect(code, `${stdout}${stderr}`).toBe(0);
    return stdout;
  };
  await project.write(
    "drizzle.config.ts",
    `export default { dialect: "postgresql", schema: "./schema.ts", out: "./drizzle",
      migrations: { schema: "internal", table: "applied" } };`,
  );
  await project.write("schema.ts", SCHEMA);
  await done("generate", "users");
  expect((await project.run(["generate", "link", "--custom"])).code).toBe(0);
  await project.write(
    "drizzle/0001_link.sql",
    `alter table users add constraint users_account foreign key (id) references auth.accounts;
create function internal.touch() returns integer language sql as 'select 1';`,
  );
  const refused = await project.run(["down-file", "--missing", ...scratch]);
  expect(refused.stderr).toContain('schema "auth" does not exist');
  await project.write("drizzle/before.sql", BEFORE);
  await done("down-file", "--missing");
  const report = JSON.parse(await done("verify", "--json"));
  expect(report.ok).toBe(true);
  expect(
    report.checks.map(({ name, status }: Record<string, string>) => `${name} ${status}`),
  ).toEqual(
    expect.arrayContaining(["replay passed", "rerun passed", "drizzle passed", "down passed"]),
  );
});
