import { describe, expect, test } from "vitest";
import { type Drafted, isOwnError, refusedDraft } from "../../src/db/down/refused.ts";
import { checksumOf, MigrateError, type Migration } from "../../src/db/migrate/index.ts";

const DRAFT: Drafted = {
  tag: "0009_new",
  file: "drizzle/0009_new.sql",
  sql: "",
  comparedWith: "meta/0008_snapshot.json",
  withoutSnapshot: [],
};

function failure(sqlState: string | null, { tag = "0009_new", statement = 1 } = {}): MigrateError {
  const place = { file: DRAFT.file, line: 1, column: 1, statement, statements: 1 };
  const nothing = { detail: null, hint: null, where: null };
  const text = "the error\nstate: 0009_new was rolled back.";
  const recorded = { sqlState, message: "the error", ...nothing, ...place, text };
  return new MigrateError({
    code: "migration_failed",
    fact: text,
    failure: text.replace(/\nstate: .*$/s, ""),
    remedy: "",
    tag,
    recorded,
  });
}

describe("an error on a scratch database", () => {
  test.each([
    ["42P07", "a relation is there already"],
    ["42710", "a type is there already"],
    ["42701", "a column is there already"],
    ["42P06", "a schema is there already"],
    ["42703", "a column is not there"],
    ["42804", "a type that cannot be cast"],
    ["22P02", "a default that is no value of its type"],
    ["23502", "NOT NULL on a table with rows of a migration"],
    ["2BP01", "a view of a hand-written migration depends on it"],
  ])("%s (%s) is the migration's own", (sqlState) => {
    expect(isOwnError(failure(sqlState), DRAFT)).toBe(true);
  });

  test.each<[string | null, string]>([
    ["0A000", "an extension that is not available"],
    ["58P01", "a library that is not there"],
    ["22023", "a version of an extension that is not there"],
    ["42501", "a right that the role lacks"],
    ["42704", "a type that an extension may bring"],
    ["42883", "a function that somebody may have made"],
    ["42P01", "a table that somebody may have made"],
    ["3F000", "a schema that somebody may have made"],
    ["53100", "a full disk"],
    ["57P01", "a server that is shut down"],
    ["XX000", "a defect of the server"],
    [null, "nothing that the server said"],
  ])("%s (%s) may be the server's", (sqlState) => {
    expect(isOwnError(failure(sqlState), DRAFT)).toBe(false);
  });

  test("of an older migration, and one that is no migration's, is not this one's", () => {
    expect(isOwnError(failure("42P07", { tag: "0001_old" }), DRAFT)).toBe(false);
    expect(isOwnError(new TypeError("x"), DRAFT)).toBe(false);
  });

  test("what the engine refuses to run is the migration's own", () => {
    const parts = { fact: "", remedy: "", tag: "0009_new" };
    const refused = new MigrateError({ code: "unsupported_statement", ...parts });
    expect(isOwnError(refused, DRAFT)).toBe(true);
    expect(isOwnError(new MigrateError({ code: "lock_timeout", ...parts }), DRAFT)).toBe(false);
  });
});

function migration(tag: string, sql: string, index: number): Migration {
  const checksum = checksumOf(sql);
  return { tag, sql, index, file: `drizzle/${tag}.sql`, checksum, link: checksum };
}

/** What is said of a draft whose first statement makes something again. */
async function said(
  sql: string,
  history: Readonly<Record<string, string>>,
  withoutSnapshot: readonly string[] = [],
): Promise<string> {
  const before = Object.entries(history).map(([tag, text], index) => migration(tag, text, index));
  const error = await refusedDraft(failure("42P07"), { ...DRAFT, sql, withoutSnapshot }, before);
  expect(error.fact).toMatch(/^the error\n/);
  return error.fact.slice("the error\n".length);
}

describe("what is there already is said to be made by", () => {
  test.each([
    ["create table public.orgs (id int)", "create table orgs (id int)", "orgs"],
    ["create table app.orgs (id int)", "alter table orgs set schema app", "app.orgs"],
    ["create table people (id int)", "alter table users rename to people", "people"],
    ["alter table t add column c int", "alter table t add column c text", "t.c"],
    ["alter table t add column c int", "alter table t rename column b to c", "t.c"],
    [
      "alter table t add constraint k check (true)",
      "alter table t add constraint k unique (a)",
      "t.k",
    ],
    ["create index i on app.t (a)", "create index i on app.t (b)", "app.i"],
    ["create type app.mood as enum ('a')", "create type app.mood as enum ('b')", "app.mood"],
    ["create view v as select 1", "create table v as select 1", "v"],
    ["create sequence s", "create sequence public.s", "s"],
    ["create policy p on t", "create policy p on public.t using (true)", "t.p"],
    ["create schema app", "create schema if not exists app", "schema app"],
    ["create role reader", "create role reader nologin", "role reader"],
  ])("%s, where %s", async (draft, old, name) => {
    expect(await said(draft, { "0001_old": old }, ["0001_old"])).toBe(
      `Already made by 0001_old, which has no snapshot, so drizzle-kit does not know about it: ${name}.`,
    );
  });

  test("the last that made it, after which nobody dropped it", async () => {
    const history = {
      "0001_a": "create table orgs (id int)",
      "0002_b": "drop table orgs; create table kept (id int)",
      "0003_c": "create table orgs (id int)",
    };
    expect(await said("create table orgs (id int); create table kept (id int)", history)).toBe(
      `Already made by 0003_c, but missing from meta/0008_snapshot.json, which drizzle-kit compares the schema with: orgs.
Already made by 0002_b, but missing from meta/0008_snapshot.json, which drizzle-kit compares the schema with: kept.`,
    );
  });

  test("somebody, where it was made in a DO block", async () => {
    const history = { "0001_a": "do $$ begin create table orgs (id int); end $$" };
    expect(await said("create table orgs (id int)", history, ["0001_a"])).toBe(
      "It exists already when this migration runs. These have no snapshot, so drizzle-kit does not know what they make: 0001_a.",
    );
    expect(await said("create table orgs (id int)", history)).toBe(
      "It exists already when this migration runs, and the newest snapshot does not have it.",
    );
  });
});
