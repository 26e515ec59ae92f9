import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { type DerivedDown, deriveDown } from "../../src/db/down/index.ts";
import { loadHistory } from "../../src/db/migrate/index.ts";
import { withScratchServer } from "../../src/db/scratch/index.ts";
import { withReplay } from "../../src/db/scratch/replay.ts";
import { onServer } from "../helpers/database.ts";
import { type HistoryFolder, historyFolder } from "../helpers/history.ts";

interface Step {
  readonly what: string;
  readonly sql: string;
  /** Lines of the file behind the first, without settings and breakpoints. */
  readonly down: readonly string[];
}

/** One history: each migration builds on those before it. */
const STEPS: readonly Step[] = [
  {
    what: "tables, types, views and schemas that were made",
    sql: `create table users (id serial primary key, name text not null, age integer); create schema app;
      create type mood as enum ('a', 'b'); create view names as select name from users;
      create table people (a integer); create policy p on people using (true)`,
    down: [
      "-- loses: table people",
      "-- loses: table users",
      'DROP VIEW "public"."names";',
      'DROP TYPE "public"."mood";',
      'DROP TABLE "public"."people";',
      'DROP TABLE "public"."users";',
      'DROP SCHEMA "app";',
    ],
  },
  {
    what: "a column and an index that were added",
    sql: "alter table users add column bio text; create index users_bio_idx on users (bio)",
    down: [
      "-- loses: column users.bio",
      'DROP INDEX "public"."users_bio_idx";',
      'ALTER TABLE "public"."users" DROP COLUMN "bio";',
    ],
  },
  {
    what: "renames and moves: rows stay where they are",
    sql: `alter table users rename column age to years; alter table users rename to persons;
      alter table persons add column extra text; alter type mood rename value 'a' to 'c';
      alter table people set schema app; alter policy p on app.people rename to q`,
    down: [
      "-- loses: column users.extra",
      'ALTER POLICY "q" ON "app"."people" RENAME TO "p";',
      'ALTER TABLE "app"."people" SET SCHEMA "public";',
      `ALTER TYPE "mood" RENAME VALUE 'c' TO 'a';`,
      'ALTER TABLE "persons" RENAME TO "users";',
      'ALTER TABLE "users" RENAME COLUMN "years" TO "age";',
      'ALTER TABLE "public"."users" DROP COLUMN "extra";',
    ],
  },
  {
    what: "a rename of what the same file drops then",
    sql: "alter table persons rename bio to about; alter table persons drop column about; alter schema app rename to appl",
    down: [
      "-- comes back empty: column persons.bio",
      'ALTER SCHEMA "appl" RENAME TO "app";',
      'ALTER TABLE "public"."persons" ADD COLUMN "bio" text;',
      "CREATE INDEX users_bio_idx ON public.persons USING btree (bio);",
    ],
  },
  {
    what: "a column that was dropped, and cannot come back where there are rows",
    sql: "alter table persons add column must text not null default ''; alter table persons alter column must drop default; alter table persons drop column extra",
    down: [
      "-- loses: column persons.must",
      "-- comes back empty: column persons.extra",
      'ALTER TABLE "public"."persons" DROP COLUMN "must";',
      'ALTER TABLE "public"."persons" ADD COLUMN "extra" text;',
    ],
  },
  {
    what: "the column that is not null",
    sql: "alter table persons drop column must",
    down: [
      "-- comes back empty: column persons.must (not null, without a default: fails if the table has rows)",
      'ALTER TABLE "public"."persons" ADD COLUMN "must" text NOT NULL;',
    ],
  },
  {
    what: "rows that were written: they stay",
    sql: "insert into persons (name) values ('ada'); update persons set years = 4",
    down: [
      "-- keeps: rows changed by INSERT of persons",
      "-- keeps: rows changed by UPDATE of persons",
      "-- The migration changes no object: there is nothing to do.",
    ],
  },
  {
    what: "a type that was widened",
    sql: "alter table persons alter years type bigint",
    down: [
      "-- loses: values of column persons.years that do not fit integer",
      'ALTER TABLE "public"."persons" ALTER COLUMN "years" DROP DEFAULT;',
      'ALTER TABLE "public"."persons" ALTER COLUMN "years" TYPE integer USING "years"::integer;',
    ],
  },
  {
    what: "what drizzle-kit cannot express: functions, triggers, comments, an index built concurrently",
    sql: `create function f() returns trigger language plpgsql as $$ begin return new; end $$;
      create trigger tr before insert on persons for each row execute function f();
      comment on table persons is 'hi'; create index concurrently persons_name_idx on persons (name)`,
    down: [
      'COMMENT ON TABLE "public"."persons" IS NULL;',
      'DROP TRIGGER "tr" ON "public"."persons";',
      'DROP INDEX "public"."persons_name_idx";',
      'DROP FUNCTION "public"."f"();',
    ],
  },
  {
    what: "a table that is partitioned, dropped: it comes back empty, as whoever runs the file",
    sql: "create table part (a integer) partition by range (a); create table part_1 partition of part for values from (0) to (10)",
    down: [
      "-- loses: table part_1",
      "-- loses: table part",
      'DROP TABLE "public"."part_1";',
      'DROP TABLE "public"."part";',
    ],
  },
  {
    what: "the same, the other way",
    sql: "drop table part",
    down: [
      "-- comes back empty: table part",
      "-- comes back empty: table part_1",
      'CREATE TABLE "public"."part" ("a" integer) PARTITION BY RANGE (a);',
      'CREATE TABLE "public"."part_1" PARTITION OF "public"."part" FOR VALUES FROM (0) TO (10);',
    ],
  },
  {
    what: "nothing at all",
    sql: "-- a comment\n",
    down: ["-- The migration changes no object: there is nothing to do."],
  },
];

describe("a way back is worked out and proven", () => {
  let folder: HistoryFolder;
  let downs: readonly DerivedDown[];

  beforeAll(async () => {
    const tagged = STEPS.map(({ sql }, index) => [`${String(index).padStart(4, "0")}_m`, sql]);
    folder = await historyFolder(Object.fromEntries(tagged));
    const { migrations } = await loadHistory(folder.dir);
    downs = await withScratchServer({ url: inject("serverUrl"), dir: "unused" }, (server) =>
      withReplay({ server, migrations, ledgerSchema: "tidemark" }, async (replay) => {
        const derived: DerivedDown[] = [];
        for (const { index } of migrations) derived.push(await deriveDown(replay, index));
        return derived;
      }),
    );
  });

  afterAll(() => folder.remove());

  test.each(STEPS.map((step, index) => ({ ...step, index })))("$what", ({ down, index }) => {
    expect(downs[index]).toMatchObject({ kind: "proven", reason: undefined });
    const lines = (downs[index]?.text ?? "").trimEnd().split("\n").slice(1);
    expect(lines.filter((line) => !/^(set |--> )/.test(line))).toEqual(down);
  });
});

describe("where there is none, the file says why", () => {
  test.each([
    {
      what: "rows have a value that goes",
      before: "create type m as enum ('a'); create table t (m m)",
      sql: "alter type m add value 'z'; insert into t values ('z')",
      reason: /^invalid input value for enum public\.m: "z" \(SQLSTATE 22P02\)$/,
      draft: /^-- {3}CREATE TYPE "public"\."m" AS ENUM \('a'\);$/m,
    },
    {
      what: "what was written cannot be written again",
      before: "create table t (id integer primary key)",
      sql: "insert into t values (1)",
      reason:
        /^after the way back the migration does not run again: duplicate key value .* \(SQLSTATE 23505\)$/,
      draft: /Write the rollback of 0001_m\.sql/,
    },
    {
      what: "a table that was there before would be dropped: a partition that was attached",
      before: "create table p (a integer) partition by range (a); create table p_x (a integer)",
      sql: "alter table p attach partition p_x for values from (0) to (10)",
      reason: /^the way back would drop what existed before, with its rows: table p_x$/,
      draft: /DROP TABLE "public"\."p_x"/,
    },
    {
      what: "a column that was there before would be dropped: its collation was changed",
      before: "create table t (a text)",
      sql: 'alter table t alter a type text collate "C"',
      reason: /^the way back would drop what existed before, with its rows: column t\.a$/,
      draft: /DROP COLUMN "a"/,
    },
    {
      what: "the old name was given to something else",
      before: "create table t (name text)",
      sql: "alter table t rename name to name_old; alter table t add name jsonb",
      reason: /^the old name was given to something else: .*"name".* already exists/,
      draft: /Write the rollback/,
    },
    {
      what: "no statement is known that restores it",
      before: "create table t (a text)",
      sql: "alter table t alter a set storage external",
      reason:
        /^no statement restores: column public\.t\.a: storage: expected of its type, found external$/,
      draft: /Write the rollback/,
    },
  ])("$what", async ({ before, sql, reason, draft }) => {
    const folder = await historyFolder({ "0000_m": before, "0001_m": sql, "0002_m": "select 1" });
    try {
      const { migrations } = await loadHistory(folder.dir);
      await withScratchServer({ url: inject("serverUrl"), dir: "unused" }, (server) =>
        withReplay({ server, migrations, ledgerSchema: "tidemark" }, async (replay) => {
          const down = await deriveDown(replay, 1);
          expect(down).toMatchObject({ kind: "irreversible", loses: [] });
          expect(down.reason).toMatch(reason);
          expect(down.text.split("\n")[0]).toBe(`-- irreversible: ${down.reason}`);
          expect(down.text).toMatch(draft);
          // The next one is worked out on a database that is as it should be.
          expect(await deriveDown(replay, 2)).toMatchObject({ kind: "proven" });
        }),
      );
    } finally {
      await folder.remove();
    }
  });
});

test("roles that others make on the server meanwhile are none of the migration's", async () => {
  const others = `others_${randomBytes(6).toString("hex")}`;
  const folder = await historyFolder({ "0000_m": "create table t ()" });
  try {
    const { migrations } = await loadHistory(folder.dir);
    await withScratchServer({ url: inject("serverUrl"), dir: "unused" }, (server) =>
      withReplay({ server, migrations, ledgerSchema: "tidemark" }, async (replay) => {
        const advance = async (count: number) => {
          if (count === 1) await onServer((admin) => admin.ask(`create role ${others}`));
          return replay.advance(count);
        };
        expect((await deriveDown({ ...replay, advance }, 0)).text).not.toContain("ROLE");
      }),
    );
    const found = await onServer((admin) =>
      admin.ask(`select from pg_roles where rolname = '${others}'`),
    );
    expect(found).toHaveLength(1);
  } finally {
    await onServer((admin) => admin.ask(`drop role if exists ${others}`));
    await folder.remove();
  }
});
