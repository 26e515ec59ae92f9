import { inspect } from "node:util";
import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { tidemark } from "../helpers/cli.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const SECRET = "hunter2-and-more";

const database = useDatabase();
const folder = useHistory();

/** All that a command prints. */
async function printed(...args: readonly string[]): Promise<string> {
  const all = [...args, "--dir", folder.dir, "--url", database.url];
  const { stdout, stderr } = await tidemark(all, { cwd: folder.dir });
  return stdout + stderr;
}

async function recorded(): Promise<string> {
  const rows = await database.sql`
    select to_jsonb(e)::text as text from tidemark.migration_events e
    union all select to_jsonb(m)::text from tidemark.schema_migrations m`;
  return rows.map(({ text }) => text).join("\n");
}

test.each([
  ["above the line that failed", `create role never login password '${SECRET}';\nselect broken;`],
  ["in the statement that failed", `alter role "no such role" password '${SECRET}';`],
  [
    "in SQL that a block executes",
    `do $$ begin execute 'alter role nobody_here password ''${SECRET}'''; end $$;`,
  ],
  ["in SQL that does not parse", `create role never pasword '${SECRET}';`],
  [
    "in SQL that is refused",
    `create subscription s connection 'host=h password=${SECRET}' publication p;`,
  ],
])("a password %s is neither printed nor recorded", async (_name, sql) => {
  await folder.make({ "0000_fine": "create table t (id integer);" });
  await printed("migrate");
  await folder.write("0001_role", sql);
  await folder.list(["0000_fine", "0001_role"]);
  for (const args of [["migrate", "--dry-run"], ["migrate", "--json"], ["status"]]) {
    const text = await printed(...args);
    expect(text, args.join(" ")).not.toContain("hunter2");
  }
  expect(await recorded()).not.toContain("hunter2");
});

test("values of rows are left out of a violated constraint's error and record, unless they are asked for", async () => {
  await folder.make({
    "0000_users":
      "create table users as select 'ada@example.com' as email from generate_series(1, 2);",
    "0001_key": "alter table users add constraint users_email_key unique (email);",
  });
  const text = await printed("migrate");
  expect(text).toContain(
    "detail: users_email_key of table public.users; values of rows are left out (--record-row-values shows and records them)",
  );
  expect(text + (await recorded())).not.toContain("ada@");
  expect(await printed("migrate", "--record-row-values")).toContain(
    "detail: Key (email)=(ada@example.com) is duplicated.",
  );
  expect(await recorded()).toContain("ada@example.com");
});

test.each([
  ["a view's check option", "insert into adults select age - 20 from people"],
  ["text that is no JSON", "create table parsed as select name::jsonb from people"],
])("so are those in the detail and context of %s", async (_name, sql) => {
  await folder.make({
    "0000_people": `create table people as select 'hunter2'::text as name, 30 as age;
      create view adults as select age from people where age > 18 with check option;`,
    "0001_broken": sql,
  });
  const text = await printed("migrate");
  expect(text).toContain("values of rows are left out");
  expect(await recorded()).not.toMatch(/detail: (Failing|Token)|JSON data, line/);
});

test("a notice shows no password, and the error's cause no more than the error", async () => {
  await folder.make({
    "0000_notice": `do $$ begin raise notice 'url %', 'postgres://ada:' || 'hunter2' || '@db'; end $$;`,
    "0001_twice":
      "create table t as select 'ada' as name from generate_series(1, 2); create unique index on t (name);",
  });
  expect(await printed("migrate")).toContain("postgres://ada:***@db");
  const error = await new DatabaseMigrator({ url: database.url, dir: folder.dir })
    .migrate()
    .catch((thrown: unknown) => thrown);
  expect(inspect(error)).toContain("23505");
  expect(inspect(error)).not.toContain("(ada)");
});
