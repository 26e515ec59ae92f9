import { expect, test } from "vitest";
import { DatabaseMigrator, type Progress } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_names": `create table t (system_user text);
create function json_exists(a int) returns int language sql as $$ select a $$;
create function json_scalar(a int) returns int language sql as $$ select a $$;
create function json_table(a int) returns int language sql as $$ select a $$;
create table merge_action (id int);
insert into t (system_user) values ('ada');`,
  "0001_typo": "create table u (id int);\ncreate tabel v (id int);",
});
const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });
const isOlder = async () => {
  const [row] = await database.sql`select current_setting('server_version_num')::int as version`;
  return Number(row?.version) < 160_000;
};

test("names that are keywords only in newer versions are read by the server's own grammar; a typo is refused by both", async () => {
  expect(await isOlder()).toBe(true);
  await expect(migrator().migrate()).rejects.toMatchObject({
    code: "history_invalid",
    place: { line: 2, column: 8 },
    fact: expect.stringContaining('syntax error at or near "tabel"'),
  });
  // Nothing of either file has run.
  expect(
    await database.sql`select to_regclass('t') as t, to_regclass('tidemark.runner') as r`,
  ).toEqual([{ t: null, r: null }]);
  const seen: Progress[] = [];
  await migrator().migrate({
    to: "0000_names",
    onProgress: (progress) => void seen.push(progress),
  });
  expect(await database.sql`select system_user from t`).toEqual([{ system_user: "ada" }]);
  expect(seen.filter(({ kind }) => kind === "warning")).toMatchObject([
    {
      warning: {
        kind: "unread",
        message: expect.stringMatching(
          /0000_names\.sql: \d statements that PostgreSQL 18's grammar does not read, and the server's \(1\d\) does\./,
        ),
      },
    },
  ]);
  expect((await migrator().status()).migrations.map(({ state }) => state.kind)).toEqual([
    "DONE",
    "PENDING",
  ]);
});
