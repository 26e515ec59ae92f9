import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_a": "create table a (id int); create sequence tries;",
  "0001_b": "select nextval('tries'); select pg_sleep(60);",
});

const terminated = (query: string) =>
  database.sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and wait_event = ${query}`;

test("a session that an administrator ends stops the run, and its statement is not run again unasked", async () => {
  const kinds: string[] = [];
  const run = new DatabaseMigrator({ url: database.url, dir: folder.dir })
    .migrate({ onProgress: ({ kind }) => kinds.push(kind) })
    .catch((error: unknown) => error);
  await expect.poll(() => terminated("PgSleep"), { timeout: 10_000 }).toHaveLength(1);
  expect(await run).toMatchObject({
    code: "connect",
    applied: ["0000_a"],
    fact: expect.stringMatching(/^An administrator ended this run's session .*57P01/),
  });
  expect(kinds.filter((kind) => kind === "reconnecting")).toHaveLength(1);
  expect(await database.sql`select last_value::int as n from tries`).toEqual([{ n: 1 }]);

  await folder.write("0001_b", "select 1;");
  const again = await new DatabaseMigrator({ url: database.url, dir: folder.dir }).migrate();
  expect(again).toMatchObject({ outcome: "applied", applied: [{ tag: "0001_b" }] });
});
