import type { DrizzleVersion } from "./drizzle-migrators.ts";

/** A migration of an odd history. */
interface OddMigration {
  readonly tag: string;
  readonly sql: string;
  /** drizzle's time, in milliseconds; default an hour after the one before. */
  readonly when?: number;
  /** The journal's number; default its place. */
  readonly idx?: number;
}

/** A history as public projects have them, in small. */
export interface OddHistory {
  readonly layout: DrizzleVersion;
  readonly migrations: readonly OddMigration[];
  /** How many there were at each deploy. Default: all of them at the first. */
  readonly deploys?: readonly number[];
  /** Files beside the migrations, by their paths in the folder. */
  readonly files?: Readonly<Record<string, string>>;
  /** Texts that files got after they were applied. */
  readonly edits?: Readonly<Record<string, string>>;
  /** What drizzle's migrator passes over when the history is deployed step by step. */
  readonly passedOver?: readonly string[];
  /** drizzle's migrator cannot run it on an empty database in one go. */
  readonly isStepwise?: boolean;
  readonly table?: { readonly schema: string; readonly table: string };
}

const HOUR = 3_600_000;
const START = Date.UTC(2025, 2, 1);
const BREAK = "--> statement-breakpoint\n";

export const ODD_HISTORIES: Readonly<Record<string, OddHistory>> = {
  "an ordinary application, deployed in three steps": {
    layout: "0.x",
    deploys: [2, 3, 5],
    migrations: [
      {
        tag: "0000_silly_hulk",
        sql: `CREATE TYPE "public"."role" AS ENUM('admin', 'member');\n${BREAK}CREATE TABLE "users" (\n\t"id" serial PRIMARY KEY NOT NULL,\n\t"email" text NOT NULL,\n\t"role" "role" DEFAULT 'member' NOT NULL,\n\tCONSTRAINT "users_email_unique" UNIQUE("email")\n);\n${BREAK}CREATE TABLE "posts" (\n\t"id" serial PRIMARY KEY NOT NULL,\n\t"author" integer NOT NULL,\n\t"body" text\n);\n`,
      },
      {
        tag: "0001_brave_moth",
        sql: `ALTER TABLE "posts" ADD CONSTRAINT "posts_author_users_id_fk" FOREIGN KEY ("author") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;\n${BREAK}CREATE INDEX "posts_author_idx" ON "posts" USING btree ("author");`,
      },
      {
        tag: "0002_admin",
        sql: `INSERT INTO users (email, role) VALUES ('root@example.com', 'admin');`,
      },
      { tag: "0003_tall_ares", sql: `ALTER TABLE "users" ADD COLUMN "name" text;` },
      {
        tag: "0004_wide_loki",
        sql: `UPDATE users SET name = email;\n${BREAK}ALTER TABLE "users" ALTER COLUMN "name" SET NOT NULL;\n${BREAK}ALTER TABLE "posts" DROP COLUMN "body";`,
      },
    ],
  },
  "times that go back: a branch that was merged late, and the file that repairs it": {
    layout: "0.x",
    deploys: [2, 3, 4],
    passedOver: ["0002_late"],
    migrations: [
      { tag: "0000_base", sql: "create table t (a integer);", when: START },
      { tag: "0001_ahead", sql: "alter table t add column b integer;", when: START + 5 * HOUR },
      { tag: "0002_late", sql: "alter table t add column c integer;", when: START + HOUR },
      {
        tag: "0003_repair",
        sql: "alter table t add column if not exists c integer;",
        when: START + 6 * HOUR,
      },
    ],
  },
  "files that were edited after they were applied": {
    layout: "0.x",
    edits: { "0001_fill": "insert into t values (1);\n-- Only for new databases.\n" },
    migrations: [
      { tag: "0000_base", sql: "create table t (a integer);" },
      { tag: "0001_fill", sql: "insert into t values (1);" },
      { tag: "0002_more", sql: "create view v as select a from t;" },
    ],
  },
  "files of the same text, and rows that a second run would double": {
    layout: "0.x",
    deploys: [2, 4],
    migrations: [
      { tag: "0000_base", sql: "create table t (a integer);" },
      { tag: "0001_tick", sql: "insert into t select count(*) from t;" },
      { tag: "0002_tick", sql: "insert into t select count(*) from t;" },
      { tag: "0003_tick", sql: "insert into t select count(*) from t;" },
    ],
  },
  "tags as they come: time stamps, seconds, repeated numbers, gaps, a first that is 1": {
    layout: "0.x",
    migrations: [
      { tag: "0001_one", sql: "create table one (a integer);", idx: 1 },
      { tag: "0001_again", sql: "create table again (a integer);", idx: 2 },
      { tag: "1740787200_seconds", sql: "create table seconds (a integer);", idx: 5 },
      { tag: "20250301120000_stamp", sql: "create table stamp (a integer);", idx: 7 },
      { tag: "no-prefix at all", sql: "create table bare (a integer);", idx: 8 },
    ],
    files: {
      "0002_never.sql": "create table never (a integer);",
      "seed/data.sql": "insert into one values (1);",
    },
  },
  "COMMIT inside files, to build indexes concurrently, and settings that outlive their file": {
    layout: "0.x",
    isStepwise: true,
    deploys: [1, 2, 3, 4],
    migrations: [
      { tag: "0000_base", sql: "create schema app;\ncreate table app.t (a integer, b integer);" },
      {
        tag: "0001_index",
        sql: `COMMIT;\n${BREAK}CREATE INDEX CONCURRENTLY IF NOT EXISTS t_a ON app.t (a);\n${BREAK}SET lock_timeout = '5s';`,
      },
      {
        tag: "0002_both",
        sql: `COMMIT;\n${BREAK}CREATE INDEX CONCURRENTLY t_b ON app.t (b);\n${BREAK}BEGIN;\n${BREAK}ALTER TABLE app.t ADD COLUMN c integer;`,
      },
      { tag: "0003_after", sql: "insert into app.t values (1, 2, 3);" },
    ],
  },
  "breakpoints without a space, empty chunks, comments alone, several statements in one": {
    layout: "0.x",
    migrations: [
      {
        tag: "0000_base",
        sql: "create table a (id integer);-->statement-breakpoint\ncreate table b (id integer);\n--> statement-breakpoint\n\n--> statement-breakpoint\n",
      },
      { tag: "0001_nothing", sql: "-- Custom SQL migration file, put your code below! --" },
      {
        tag: "0002_several",
        sql: "insert into a values (1); insert into a values (2);\nupdate a set id = id + 1",
      },
    ],
  },
  "extensions, functions, triggers, policies, and a schema for drizzle's table of its own": {
    layout: "0.x",
    table: { schema: "internal", table: "applied" },
    migrations: [
      {
        tag: "0000_base",
        sql: "create extension if not exists pg_trgm;\ncreate table internal.t (id uuid default gen_random_uuid(), name text);\ncreate index t_name on internal.t using gin (name gin_trgm_ops);",
      },
      {
        tag: "0001_touch",
        sql: "create function internal.touch() returns trigger language plpgsql as $$\nbegin\n  new.name := coalesce(new.name, 'a;b');\n  return new;\nend $$;\ncreate trigger touch before insert on internal.t for each row execute function internal.touch();",
      },
      {
        tag: "0002_policy",
        sql: "alter table internal.t enable row level security;\ncreate policy all_rows on internal.t using (true);\ninsert into internal.t (id) values ('00000000-0000-0000-0000-000000000001');",
      },
    ],
  },
  "an enum value that is added and used afterwards, which drizzle can only do in two deploys": {
    layout: "0.x",
    isStepwise: true,
    deploys: [2, 3],
    migrations: [
      { tag: "0000_base", sql: "create type mood as enum ('calm');\ncreate table t (m mood);" },
      { tag: "0001_value", sql: "alter type mood add value 'glad';" },
      { tag: "0002_use", sql: "insert into t values ('glad');" },
    ],
  },
  "folders of 1.x, with names that hold spaces, and files that are none of them": {
    layout: "1.x",
    deploys: [1, 3],
    migrations: [
      { tag: "20250301000000_first one", sql: "create table t (a integer);" },
      { tag: "20250301000000_Second", sql: "insert into t values (1);" },
      { tag: "20250302000000_third", sql: "insert into t values (2);" },
    ],
    files: {
      "readme.md": "notes",
      "20250303000000_draft/notes.md": "later",
      "all.sql": "select 1;",
    },
  },
};
