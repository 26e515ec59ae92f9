import { describe, expect, test } from "vitest";
import type { Progress } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { FilledDatabaseMigrator } from "../helpers/migrator.ts";

const TABLE = `create table users (id integer primary key, email text, note text);
insert into users select n, 'u' || n from generate_series(1, 1000) n;`;

const database = useDatabase();
const folder = useHistory();

async function migrate(
  history: Readonly<Record<string, string>>,
  onProgress?: (progress: Progress) => void,
) {
  await folder.make(history);
  const migrator = new FilledDatabaseMigrator({ url: database.url, dir: folder.dir });
  return migrator.migrate(onProgress ? { onProgress } : {});
}

/** Each index of a table: name, validity. */
async function indexes(table = "users") {
  return database.sql<{ name: string; valid: boolean }[]>`
    select c.relname as name, i.indisvalid as valid
    from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = ${table}::regclass and not i.indisprimary order by 1`;
}

describe("a statement that no transaction can hold", () => {
  test("is an index whose definition names what is in its table's schema", async () => {
    await migrate({
      "0000_users": `${TABLE}
create function public.is_known(text) returns boolean language sql immutable as 'select true';
create operator class public.words for type text using btree as operator 1 <, operator 2 <=, operator 3 =,
  operator 4 >=, operator 5 >, function 1 bttextcmp (text, text);`,
      "0001_index": `create index concurrently "one ON public.two" on users (email words) where is_known(note);
create index concurrently literal_idx on users (id) where note = 'in public.places';`,
    });
    expect(await indexes()).toEqual([
      { name: "literal_idx", valid: true },
      { name: "one ON public.two", valid: true },
    ]);
  });

  test("is read as it was written, whatever the file sets", async () => {
    await migrate({
      "0000_users": TABLE,
      "0001_index": `set client_encoding to 'latin1';
set standard_conforming_strings to off;
create index concurrently "naïve" on users (email) where note <> '\\' and note <> 'é';`,
    });
    expect(
      await database.sql`select pg_get_expr(indpred, indrelid) as condition from pg_index where indexrelid = '"naïve"'::regclass`,
    ).toEqual([{ condition: "((note <> '\\'::text) AND (note <> 'é'::text))" }]);
  });

  test("is an index on a plain table of the file's schema, where another schema's is partitioned", async () => {
    await migrate({
      "0000_tables": `create schema app;
create table public.events (id integer) partition by range (id);
create table app.events (id integer);`,
      "0001_index": "set search_path to app;\ncreate index concurrently events_idx on events (id);",
    });
    expect(await indexes("app.events")).toEqual([{ name: "events_idx", valid: true }]);
  });

  test("runs between the transactions of its file, each recorded", async () => {
    const labels: string[] = [];
    await migrate(
      {
        "0000_users": TABLE,
        "0001_index": `alter table users add column age integer;
create index concurrently users_email_idx on users (lower(email)) where note is null;
create unique index concurrently if not exists "Users id" on only public.users using btree (id desc);
insert into users values (0, 'zero');
drop index concurrently users_email_idx;
vacuum (analyze) users;
reindex index concurrently "Users id";
reindex table concurrently users;
update users set note = 'seen' where id = 0;`,
        "0002_last": "create index concurrently last_idx on users (note);",
      },
      (progress) => {
        if (progress.kind === "statement-done") labels.push(progress.label);
      },
    );
    expect(labels).toEqual([
      "CREATE INDEX CONCURRENTLY users_email_idx",
      "CREATE INDEX CONCURRENTLY Users id",
      "DROP INDEX CONCURRENTLY users_email_idx",
      "VACUUM",
      'REINDEX INDEX CONCURRENTLY "Users id"',
      "REINDEX TABLE CONCURRENTLY users",
      "CREATE INDEX CONCURRENTLY last_idx",
    ]);
    expect(await indexes()).toEqual([
      { name: "Users id", valid: true },
      { name: "last_idx", valid: true },
    ]);
    expect(await database.sql`select note from users where id = 0`).toEqual([{ note: "seen" }]);
    const { events, rows } = await expectFoldToMatch(database.url);
    expect(rows.map(({ tag, state, statementsDone }) => [tag, state, statementsDone])).toEqual([
      ["0000_users", "DONE", 2],
      ["0001_index", "DONE", 9],
      ["0002_last", "DONE", 1],
    ]);
    expect(
      events
        .filter(({ tag }) => tag === "0001_index")
        .map(({ type, payload }) => [type, payload.statement]),
    ).toEqual([
      ["migration.started", 0],
      ["statement.done", 1],
      ["statement.started", 1],
      ["statement.done", 2],
      ["statement.started", 2],
      ["statement.done", 3],
      ["statement.done", 4],
      ["statement.started", 4],
      ["statement.done", 5],
      ["statement.started", 5],
      ["statement.done", 6],
      ["statement.started", 6],
      ["statement.done", 7],
      ["statement.started", 7],
      ["statement.done", 8],
      ["migration.done", 9],
    ]);
  });
});
