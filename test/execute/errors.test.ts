import { appendFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { SessionLost } from "../../src/db/connection/loss.ts";
import { DatabaseMigrator, MigrateError } from "../../src/db/migrate/index.ts";
import { runnerOf } from "../../src/db/migrate/ledger/replies.ts";
import type { Failpoint } from "../../src/db/migrate/run-types.ts";
import { urlOfDatabase, useDatabase } from "../helpers/database.ts";
import { THREE, useHistory } from "../helpers/history.ts";
import { createEmptyLedger, expectFoldToMatch } from "../helpers/ledger.ts";
import { freePort } from "../helpers/network.ts";

const database = useDatabase();
const folder = useHistory(THREE);

const migrator = (options: Partial<ConstructorParameters<typeof DatabaseMigrator>[0]> = {}) =>
  new DatabaseMigrator({ url: database.url, dir: folder.dir, ...options });

async function failureOf(run: Promise<unknown>): Promise<MigrateError> {
  const error = await run.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof MigrateError)) throw new Error("no MigrateError", { cause: error });
  return error;
}

const tablesThere = async () =>
  (
    await database.sql`select relname from pg_class c join pg_namespace n on n.oid = relnamespace
    where nspname = 'public' and relkind = 'r' order by relname`
  ).map(({ relname }) => relname);

describe("the server", () => {
  test("that cannot be reached is waited for within the bound, then named with host and port", async () => {
    const port = await freePort();
    const waits: string[] = [];
    const start = Date.now();
    const error = await failureOf(
      migrator({
        url: `postgres://ada:secret@127.0.0.1:${port}/shop`,
        connectTimeoutMs: 600,
      }).migrate({
        onProgress: (item) => {
          if (item.kind === "server-unavailable") waits.push(item.reason);
        },
      }),
    );
    expect(error).toMatchObject({ code: "connect", exitCode: 1 });
    expect(error.message).toContain(`127.0.0.1:${port}/shop as ada`);
    expect(error.message).toContain("ECONNREFUSED");
    expect(error.message).not.toContain("secret");
    expect(waits.length).toBeGreaterThan(1);
    expect(Date.now() - start).toBeLessThan(3_000);
  });

  test("that refuses the password is not asked twice", async () => {
    const role = `wrong_${database.name}`;
    await database.sql.unsafe(`create role ${role} login password 'right'`);
    const waits: unknown[] = [];
    const error = await failureOf(
      migrator({ url: urlOfDatabase(database.name, { user: role, password: "wrong" }) }).migrate({
        onProgress: (item) => waits.push(item),
      }),
    );
    await database.sql.unsafe(`drop role ${role}`);
    expect(error).toMatchObject({ code: "connect", exitCode: 1 });
    expect(error.message).toContain("28P01");
    expect(error.message).toContain("Check user and password");
    expect(waits).toEqual([]);
  });

  test("that lacks the database says so at once", async () => {
    const error = await failureOf(migrator({ url: urlOfDatabase("no_such_database") }).migrate());
    expect(error).toMatchObject({ code: "connect" });
    expect(error.message).toContain("3D000");
  });

  test("that denies the right to create the ledger is answered with the grant it needs", async () => {
    const role = `poor_${database.name}`;
    await database.sql.unsafe(`create role ${role} login password 'poor'`);
    const url = urlOfDatabase(database.name, { user: role, password: "poor" });
    const error = await failureOf(migrator({ url }).migrate());
    await database.sql.unsafe(`drop role ${role}`);
    expect(error).toMatchObject({ code: "config", exitCode: 2 });
    expect(error.message).toContain("42501");
    expect(error.message).toContain("grant create on database");
  });
});

describe("a migration that the server refuses", () => {
  test("in the third of five files: two stay, it is rolled back, the rest is pending", async () => {
    await folder.write(
      "0002_broken",
      `create table half (id integer);\nselect nothing from nowhere;`,
    );
    await folder.write("0003_never", "create table never (id integer);");
    await folder.write("0004_never", "create table never_too (id integer);");
    await folder.list([
      "0000_create_notes",
      "0001_add_author",
      "0002_broken",
      "0003_never",
      "0004_never",
    ]);

    const error = await failureOf(migrator().migrate());
    expect(error).toMatchObject({
      code: "migration_failed",
      exitCode: 1,
      tag: "0002_broken",
      applied: ["0000_create_notes", "0001_add_author"],
      notRun: ["0003_never", "0004_never"],
      recorded: { sqlState: "42P01", line: 2, column: 21, statement: 2, statements: 2 },
    });
    expect(error.message.replaceAll(folder.dir, "drizzle")).toMatchInlineSnapshot(`
      "drizzle/0002_broken.sql:2:21: relation "nowhere" does not exist

      1 | create table half (id integer);
      2 | select nothing from nowhere;
        |                     ^

      statement 2 of 2, SQLSTATE 42P01
      state: 0002_broken was rolled back. 2 migrations before it applied. 2 migrations after it not run.
      Next: correct drizzle/0002_broken.sql (or the data it met), then run \`tidemark migrate\` again."
    `);
    expect(await tablesThere()).toEqual(["notes"]);
    const { migrations } = await migrator().status();
    expect(migrations.map(({ state }) => state.kind)).toEqual([
      "DONE",
      "DONE",
      "FAILED",
      "PENDING",
      "PENDING",
    ]);
    expect(migrations[2]?.state).toMatchObject({ error: error.recorded });
  });

  test("by a constraint: the statement is named though the server gives no position", async () => {
    await folder.write(
      "0002_first_note",
      `alter table notes add constraint notes_author_key unique (author);
insert into notes (body, author) values ('a', 'ada');

-- the second ada: 🌊
insert into notes (body, author) values ('b', 'ada');`,
    );
    const error = await failureOf(migrator().migrate());
    expect(error.recorded).toMatchObject({
      sqlState: "23505",
      statement: 3,
      line: 5,
      column: 1,
      detail: expect.stringMatching(
        /^notes_author_key of table public\.notes; values of rows are left out/,
      ),
    });
    expect(await database.sql`select * from notes`).toEqual([]);
  });

  test("by a deferred constraint, checked before the commit", async () => {
    await folder.write(
      "0002_first_note",
      `alter table notes add column parent integer references notes (id) deferrable initially deferred;
insert into notes (body, parent) values ('orphan', 99);`,
    );
    const error = await failureOf(migrator().migrate());
    expect(error).toMatchObject({ code: "migration_failed", recorded: { sqlState: "23503" } });
    expect(error.message).toContain("deferred constraints");
  });

  test("behind characters that take two UTF-16 units, and four bytes", async () => {
    await folder.write("0002_first_note", `insert into notes (body) values ('🌊🌊'), (nope);`);
    const error = await failureOf(migrator().migrate());
    expect(error.recorded).toMatchObject({ line: 1, column: 42 });
    expect(error.message).toContain(`
1 | insert into notes (body) values ('🌊🌊'), (nope);
  |                                            ^
`);
  });

  test("before it runs any of it: what was sent ahead behind it does not run either", async () => {
    // The one behind has been started before, so that its record has all it needs.
    await folder.write("0003_never", "select 1 / 0;");
    await folder.list(["0000_create_notes", "0001_add_author", "0003_never"]);
    await failureOf(migrator().migrate());
    await folder.write("0003_never", "create table never (id integer);");
    // Refused by this database's scanner, not by the grammar that cuts the file, as syntax is
    // that only a newer server knows: the message fails whole and leaves no transaction behind.
    await database.sql.unsafe(`alter database ${database.name} set backslash_quote = off`);
    await folder.write("0002_first_note", `select 1;\nselect E'it\\'s';`);
    await folder.list([...Object.keys(THREE), "0003_never"]);
    const error = await failureOf(migrator().migrate());
    expect(error).toMatchObject({
      code: "migration_failed",
      tag: "0002_first_note",
      notRun: ["0003_never"],
      recorded: { sqlState: "22P06", statement: 2, line: 2 },
    });
    expect(await tablesThere()).toEqual(["notes"]);
    const { rows } = await expectFoldToMatch(database.url);
    const states = rows.map(({ tag, state }) => `${tag} ${state}`);
    expect(states.toSorted()).toEqual([
      "0000_create_notes DONE",
      "0001_add_author DONE",
      "0002_first_note FAILED",
      "0003_never FAILED",
    ]);
  });

  test("inside a DO block: the server's context is shown", async () => {
    await folder.write("0002_first_note", `do $$ begin perform 1 / 0; end $$;`);
    const error = await failureOf(migrator().migrate());
    expect(error.recorded?.where).toContain("line 1 at PERFORM");
    expect(error.message).toContain("context: ");
  });
});

describe("a file that is refused before anything runs", () => {
  const refused: readonly (readonly [string, string, string, string])[] = [
    [
      "SQL that does not parse",
      "create table t (id integr not nul);",
      "history_invalid",
      "syntax error",
    ],
    ["a NUL byte", "select 1;\0 drop table notes;", "history_invalid", "NUL byte"],
    ["psql's commands", "\\i other.sql", "history_invalid", "psql's own"],
    [
      "a concurrent index without a name",
      "create index concurrently on notes (body);",
      "unsupported_statement",
      "give it a name",
    ],
    [
      "a concurrent index on a partitioned table of the same history",
      "create table p (id integer) partition by list (id); create index concurrently i on public.p (id);",
      "unsupported_statement",
      "ALTER INDEX … ATTACH PARTITION",
    ],
    [
      "a temporary table that is used behind the end of its transaction",
      "create temporary table t (id integer); commit; insert into notes (body) select id from t;",
      "unsupported_statement",
      "the temporary relation t, which statement 3 uses in another transaction",
    ],
    [
      "one with an odd name, which is quoted",
      'create temp table "my-t""able" (id integer); commit; drop table "my-t""able";',
      "unsupported_statement",
      'the temporary relation my-t"able, which statement 3 uses in another transaction',
    ],
    [
      "a prepared statement that is used behind the end of its transaction",
      "prepare p as select 1; vacuum notes; execute p;",
      "unsupported_statement",
      "PREPARE p",
    ],
    [
      "a cursor that is used behind the end of its transaction",
      "declare c cursor with hold for select 1; commit; fetch c;",
      "unsupported_statement",
      "the cursor c",
    ],
    [
      "LISTEN behind whose transaction something is to be heard",
      "listen c; commit; notify c;",
      "unsupported_statement",
      "LISTEN c",
    ],
    [
      "a concurrent index between BEGIN and COMMIT",
      "begin; create table a (id integer); create index concurrently i on a (id); commit;",
      "unsupported_statement",
      "CREATE INDEX CONCURRENTLY i, which no transaction can hold, between BEGIN and COMMIT",
    ],
    [
      "a VACUUM behind COMMIT AND CHAIN",
      "commit and chain; vacuum;",
      "unsupported_statement",
      "VACUUM, which no transaction can hold",
    ],
    [
      "BEGIN with a mode of its own",
      "begin isolation level serializable; select 1; commit;",
      "unsupported_statement",
      "BEGIN with a mode of its own",
    ],
    ["DISCARD ALL", "discard all;", "unsupported_statement", "DISCARD ALL"],
    ["ROLLBACK", "rollback;", "unsupported_statement", "transaction control (ROLLBACK)"],
    ["SAVEPOINT", "savepoint s;", "unsupported_statement", "transaction control (SAVEPOINT)"],
    ["SET TRANSACTION", "set transaction read only;", "unsupported_statement", "SET TRANSACTION"],
    [
      "a mode of the transaction that is set",
      "set transaction_read_only = on;",
      "unsupported_statement",
      "SET TRANSACTION",
    ],
    ["COPY FROM STDIN", "copy notes from stdin;", "unsupported_statement", "COPY"],
    ["COPY TO STDOUT", "copy notes to stdout;", "unsupported_statement", "COPY"],
    ["ALTER SYSTEM", "alter system set work_mem = '1GB';", "unsupported_statement", "ALTER SYSTEM"],
    ["CREATE DATABASE", "create database d;", "unsupported_statement", "CREATE DATABASE"],
    ["DROP DATABASE", "drop database d;", "unsupported_statement", "DROP DATABASE"],
    [
      "CREATE TABLESPACE",
      "create tablespace s location '/s';",
      "unsupported_statement",
      "CREATE TABLESPACE",
    ],
    [
      "ALTER DATABASE SET TABLESPACE",
      "alter database d set tablespace s;",
      "unsupported_statement",
      "SET TABLESPACE",
    ],
    [
      "CREATE SUBSCRIPTION",
      "create subscription s connection '' publication p;",
      "unsupported_statement",
      "CREATE SUBSCRIPTION",
    ],
  ];

  test.each(refused)("%s", async (_name, sql, code, text) => {
    await folder.write("0002_first_note", sql);
    const error = await failureOf(migrator().migrate());
    expect(error).toMatchObject({ code, exitCode: 2 });
    expect(error.message).toContain(text);
    expect(error.message).toMatch(/0002_first_note\.sql:1:\d+: /);
    expect(await tablesThere()).toEqual([]);
  });
});

describe("a history that changed behind the database's back", () => {
  beforeEach(async () => {
    await migrator().migrate();
  });

  test("an applied file with one byte more is named with both checksums, and nothing runs", async () => {
    await folder.write("0003_more", "create table more (id integer);");
    await folder.list([...Object.keys(THREE), "0003_more"]);
    await appendFile(join(folder.dir, "0001_add_author.sql"), " ");
    const error = await failureOf(migrator().migrate());
    expect(error).toMatchObject({ code: "checksum_mismatch", exitCode: 4, tag: "0001_add_author" });
    expect(error.message.match(/sha256:[0-9a-f]{64}/g)).toHaveLength(2);
    expect(await tablesThere()).toEqual(["notes"]);
    const { migrations } = await migrator().status();
    expect(migrations.map(({ flags }) => flags)).toEqual([[], ["CHANGED"], [], []]);
  });

  test("another line end or a byte-order mark is no change", async () => {
    const crlf = THREE["0001_add_author"].replaceAll("\n", "\r\n");
    await folder.write("0001_add_author", `\uFEFF${crlf}`);
    expect((await migrator().migrate()).outcome).toBe("current");
  });

  test("a late-merged older file is refused by default and applied on request", async () => {
    await folder.write("0000_late", "create table late (id integer);");
    await folder.list(["0000_create_notes", "0000_late", "0001_add_author", "0002_first_note"]);
    const error = await failureOf(migrator().migrate());
    expect(error).toMatchObject({ code: "out_of_order", exitCode: 4 });
    expect(error.message).toContain("0000_late");
    expect((await migrator().status()).migrations[1]?.flags).toEqual(["OUT_OF_ORDER"]);
    expect(await tablesThere()).toEqual(["notes"]);

    const report = await migrator().migrate({ allowOutOfOrder: true });
    expect(report.applied.map(({ tag }) => tag)).toEqual(["0000_late"]);
    expect(report.version).toBe("0002_first_note");
    expect((await migrator().migrate()).outcome).toBe("current");
    const { rows } = await expectFoldToMatch(database.url);
    expect(rows.toSorted((a, b) => Number(a.rank) - Number(b.rank)).map(({ tag }) => tag)).toEqual([
      "0000_create_notes",
      "0000_late",
      "0001_add_author",
      "0002_first_note",
    ]);
  });

  test("an applied file that is gone from the middle is an error, not an older release", async () => {
    await folder.list(["0000_create_notes", "0002_first_note"]);
    const error = await failureOf(migrator().migrate());
    expect(error).toMatchObject({ code: "missing_file", exitCode: 2 });
    expect(error.message).toContain("0001_add_author");
  });
});

describe("a folder that cannot be run", () => {
  test("is reported whatever the server says, and at once", async () => {
    const port = await freePort();
    const error = await failureOf(
      migrator({ dir: "/no/such/folder", url: `postgres://a@127.0.0.1:${port}/b` }).migrate(),
    );
    expect(error).toMatchObject({ code: "config", exitCode: 2 });
    expect(error.message).toContain("/no/such/folder");
  });

  test("lacks a file that the journal names", async () => {
    await rm(join(folder.dir, "0001_add_author.sql"));
    const error = await failureOf(migrator().status());
    expect(error).toMatchObject({ code: "missing_file", exitCode: 2 });
    expect(error.message).toContain("0001_add_author.sql");
  });

  test("has a device in a file's place: that is one of ours, too", async () => {
    await rm(join(folder.dir, "0001_add_author.sql"));
    await symlink("/dev/null", join(folder.dir, "0001_add_author.sql"));
    const error = await failureOf(migrator().migrate());
    expect(error).toMatchObject({ code: "history_invalid" });
  });

  test("has a sum file that does not match", async () => {
    await writeFile(
      join(folder.dir, "tidemark.sum"),
      "sha256:00\n0000_create_notes.sql sha256:11\n",
    );
    const error = await failureOf(migrator().migrate());
    expect(error).toMatchObject({ code: "history_invalid", exitCode: 2 });
    expect(error.message).toContain("0001_add_author.sql is not listed");
    expect(await tablesThere()).toEqual([]);
  });
});

test("a database that drizzle's own migrator filled is refused, and nothing is created", async () => {
  await database.sql.unsafe(`create schema drizzle;
    create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint);
    insert into drizzle.__drizzle_migrations (hash, created_at) values ('x', 1), ('y', 2)`);
  const error = await failureOf(migrator().migrate());
  expect(error).toMatchObject({ code: "adopt_required", exitCode: 4 });
  expect(error.message).toContain(
    "2 of the 2 rows in drizzle.__drizzle_migrations do not clearly match",
  );
  const [row] = await database.sql`select to_regnamespace('tidemark') is null as absent`;
  expect(row?.absent).toBe(true);
});

test("so is one whose ledger is there and empty", async () => {
  await createEmptyLedger(database);
  await database.sql.unsafe(`create schema drizzle;
    create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint);
    insert into drizzle.__drizzle_migrations (hash, created_at) values ('x', 1)`);
  expect(await failureOf(migrator().migrate())).toMatchObject({ code: "adopt_required" });
  expect(await failureOf(migrator().plan())).toMatchObject({ code: "adopt_required" });
  expect((await migrator().status()).problems).toMatchObject([{ code: "adopt_required" }]);
  expect(await tablesThere()).toEqual([]);
});

test("a ledger that only a newer Tidemark can read is left alone", async () => {
  await migrator().migrate();
  await database.sql`update tidemark.runner set ledger_version = 6, min_reader = 5`;
  expect(await failureOf(migrator().migrate())).toMatchObject({
    code: "ledger_newer",
    exitCode: 2,
  });
  expect(await failureOf(migrator().status())).toMatchObject({ code: "ledger_newer" });
});

test("an unknown target is refused also where nothing is pending", async () => {
  await migrator().migrate();
  expect(await failureOf(migrator().migrate({ to: "0009_typo" }))).toMatchObject({ code: "usage" });
});

test("a failed migration is tried again whatever the database's DateStyle", async () => {
  await database.sql.unsafe(`alter database ${database.name} set datestyle = 'German'`);
  await folder.write("0002_first_note", "select 1 / (select count(*) from notes);");
  expect(await failureOf(migrator().migrate())).toMatchObject({ code: "migration_failed" });
  await database.sql`insert into notes (body) values ('mended')`;
  expect((await migrator().migrate()).version).toBe("0002_first_note");
});

test("a role that may not write the log is told so, and not that it lost the lease", async () => {
  await migrator().migrate({ to: "0001_add_author" });
  const role = `half_${database.name}`;
  await database.sql.unsafe(`create role ${role} login password 'half';
    grant usage on schema tidemark to ${role};
    grant select on all tables in schema tidemark to ${role};
    grant update on tidemark.runner to ${role}`);
  const url = urlOfDatabase(database.name, { user: role, password: "half" });
  const error = await failureOf(migrator({ url }).migrate());
  await database.sql.unsafe(`drop owned by ${role}; drop role ${role}`);
  expect(error).toMatchObject({ code: "config" });
  expect(error.message).toContain("42501");
  const [runner] = await database.sql`select run_id from tidemark.runner`;
  expect(runner).toEqual({ run_id: null });
});

test("a lock on the ledger that is not given up is an error within seconds, not a hang", {
  timeout: 20_000,
}, async () => {
  await migrator().migrate();
  const locker = await database.sql.reserve();
  await locker.unsafe("begin; lock table tidemark.runner");
  const errors = await Promise.all([
    failureOf(migrator().migrate()),
    failureOf(migrator().status()),
  ]);
  await locker.unsafe("rollback");
  locker.release();
  for (const error of errors) expect(error).toMatchObject({ code: "lock_timeout", exitCode: 5 });
});

test("settings that cannot be used are all named at once", () => {
  const bad = () =>
    new DatabaseMigrator({ url: "mysql://x", ledgerSchema: "pg_mine", connectTimeoutMs: -1 });
  expect(bad).toThrow(/mysql:.*pg_mine.*-1/s);
});

test("a ledger without its row is looked at twice before anybody is told to restore it", async () => {
  await migrator().migrate();
  await database.sql`create table kept as select * from tidemark.runner`;
  await database.sql`alter table tidemark.runner disable trigger runner_kept`;
  await database.sql`delete from tidemark.runner`;
  expect(await failureOf(migrator().status())).toMatchObject({ code: "config" });
  let looks = 0;
  const onFailpoint = async ({ phase, message }: Failpoint) => {
    if (phase !== "after" || message !== "look") return;
    looks += 1;
    if (looks === 1) await database.sql`insert into tidemark.runner select * from kept`;
  };
  const second = new DatabaseMigrator({ url: database.url, dir: folder.dir }, { onFailpoint });
  expect((await second.status()).pending).toBe(0);
  expect(looks).toBe(2);
});

test("an answer to another message is a lost connection, not a ledger without its row", () => {
  const answer = { rows: [{ answer: 42 }], command: "SELECT" };
  expect(() => runnerOf(answer, "tidemark")).toThrow(SessionLost);
});
