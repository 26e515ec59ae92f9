import { randomBytes } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { identifier } from "../../src/db/base/quote.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { onServer, useDatabase } from "../helpers/database.ts";
import { outcomeOf } from "../helpers/outcome.ts";

const database = useDatabase();
const HISTORY = [
  { tag: "0000_notes", sql: "create table public.notes (id int);" },
  { tag: "0001_index", sql: "create index concurrently on_id on public.notes (id);" },
];

function urlOf(databaseName: string, user: string): string {
  const url = new URL(database.url);
  return `postgres://${encodeURIComponent(user)}:pw@${url.host}/${encodeURIComponent(databaseName)}`;
}

const outcome = (url: string, history = HISTORY) =>
  outcomeOf(
    new DatabaseMigrator({ url, history, connectTimeoutMs: 1_000, waitTimeoutMs: 1_000 }).migrate(),
  );

/** What the role is and has, in SQL with `$role` and `$db`, and how its run ends. */
const ROLES: readonly (readonly [what: string, attributes: string, sql: string, end: string])[] = [
  ["with the documented grants", "", "$grants", "applied 2"],
  ["with one connection alone", "connection limit 1", "$grants", "applied 2"],
  ["that does not inherit", "noinherit", "$grants", "applied 2"],
  ["that is replicating", "replication", "$grants", "applied 2"],
  ["that passes by policies", "bypassrls", "$grants", "applied 2"],
  [
    "that is another one from the start",
    "",
    "create role other_$role; grant other_$role to $role; alter role $role set role = 'other_$role'; grant create on database $db to other_$role; grant all on schema public to other_$role",
    "applied 2",
  ],
  ["that may not create in the database", "", "grant all on schema public to $role", "config"],
  [
    "that may not create in public",
    "",
    "grant create on database $db to $role; revoke all on schema public from public",
    "migration_failed 42501",
  ],
  ["that may not log in", "nologin", "$grants", "connect"],
  ["that has no connection left", "connection limit 0", "$grants", "connect"],
  ["that may not connect", "", "$grants; revoke connect on database $db from public", "connect"],
  ["whose notes are another's", "", "$grants; create table public.notes (id int)", "not_clean"],
  ["whose ledger's schema is another's", "", "$grants; create schema tidemark", "config"],
  [
    "whose every default privilege is gone",
    "",
    "$grants; alter default privileges for role $role revoke all on tables from $role; alter default privileges for role $role revoke all on schemas from $role; alter default privileges for role $role revoke execute on functions from public",
    "applied 2",
  ],
  [
    "with an index's owner of the same name as a schema",
    "",
    '$grants; create schema "$user"',
    "applied 2",
  ],
  [
    "in a database whose public schema is gone",
    "",
    "grant create on database $db to $role; drop schema public",
    "migration_failed 3F000",
  ],
  [
    "that may not use PL/pgSQL",
    "",
    "$grants; revoke usage on language plpgsql from public",
    "config",
  ],
  [
    "that may make no temporary tables",
    "",
    "$grants; revoke temporary on database $db from public",
    "applied 2",
  ],
];

test.each(ROLES)("a role %s (%s)", async (_, attributes, sql, end) => {
  const role = `role_${database.name}`;
  const grants = `grant create on database ${database.name} to ${role}; grant all on schema public to ${role}`;
  const statements = sql.replaceAll("$grants", grants).replaceAll("$role", role);
  await database.sql.unsafe(
    `create role ${role} password 'pw' ${attributes.includes("login") ? "" : "login"} ${attributes}`,
  );
  onTestFinished(() =>
    onServer(async (admin) => {
      for (const name of [`other_${role}`, role]) await admin.ask(`drop role if exists ${name}`);
    }),
  );
  await database.sql.unsafe(statements.replaceAll("$db", database.name));
  expect(await outcome(urlOf(database.name, role))).toBe(end);
  // And so it is again, whatever the first run left.
  const again = end.startsWith("applied") ? "current" : end;
  expect(await outcome(urlOf(database.name, role))).toBe(again);
  await database.sql.unsafe(`grant all on schema tidemark to current_user`).catch(() => undefined);
});

const NAMES = [
  "größe → 漢字",
  "with space",
  'quo"te',
  "apo'strophe",
  "back\\slash",
  "select",
  "UPPER",
  "a/b",
  "a%b",
  "a%20b",
  "a?b#c&d=e",
  "a@b:c",
  "$1",
  "--comment",
  ";drop table x",
  "x".repeat(50),
  "{}[]<>",
  "tab\there",
  "new\nline",
  "é".repeat(25),
  "😀",
];

describe("a name that is odd is a name like any other:", () => {
  test.each(NAMES)("%j, of a role, a database, a table and a migration", async (name) => {
    const id = randomBytes(3).toString("hex");
    const own = `${name}_${id}`;
    await onServer(async (admin) => {
      await admin.ask(`create role ${identifier(own)} login password 'pw'`);
      await admin.ask(`create database ${identifier(own)} owner ${identifier(own)}`);
    });
    onTestFinished(() =>
      onServer(async (admin) => {
        await admin.ask(`drop database ${identifier(own)} with (force)`);
        await admin.ask(`drop role ${identifier(own)}`);
      }),
    );
    const table = identifier(name);
    const index = identifier(`${name}!`);
    const schema = identifier(own);
    const history = [
      {
        tag: `0000_${name.replaceAll(/[/\\\n]/g, "_")}`,
        sql: `create schema ${schema}; create table ${schema}.${table} (${table} int);`,
      },
      {
        tag: "0001_index",
        sql: `create index concurrently ${index} on ${schema}.${table} (${table});`,
      },
      { tag: "0002_drop", sql: `drop index concurrently ${schema}.${index};` },
    ];
    const url = urlOf(own, own);
    const migrator = new DatabaseMigrator({ url, history, ledgerSchema: `l_${own}`.slice(0, 40) });
    expect(await outcomeOf(migrator.migrate())).toBe("applied 3");
    const { migrations } = await migrator.status();
    expect(migrations.map(({ state }) => state.kind)).toEqual(["DONE", "DONE", "DONE"]);
  });
});
