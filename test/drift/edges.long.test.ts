import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, inject, test } from "vitest";
import { onServer, urlOfDatabase } from "../helpers/database.ts";
import { journalOf } from "../helpers/history.ts";
import { useProject } from "../helpers/project-fixture.ts";

const shop = useProject();
// A busy machine has the command say what it is at.
const STEP =
  /^(reading the database|starting a scratch server|replaying migration \d+ of \d+|comparing) <duration>\n/gm;
const drift = async (...args: readonly string[]) => {
  const shown = await shop.tidemark("drift", "--scratch-url", inject("serverUrl"), ...args);
  return shown.replace(STEP, "").replace(/--- stderr\n$/, "");
};

describe("the report", () => {
  test("says that there is no drift", async () => {
    await shop.tidemark("migrate");
    expect(await drift()).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      No drift: the database is what its 3 applied migrations make.
      "
    `);
  });

  test("lists objects with what was expected and found, and what to do", async () => {
    await shop.tidemark("migrate");
    await shop.database.sql.unsafe(`
      alter table notes alter column body drop not null;
      drop index notes_author_idx;
      create function twice(n integer) returns integer language sql as $$
        select n * 2
      $$;`);
    expect(await drift()).toMatchInlineSnapshot(`
      "exit code 4
      --- stdout
      column public.notes.body: not null
        expected  yes
        found     no

      index public.notes_author_idx: missing
        expected  CREATE INDEX notes_author_idx ON public.notes USING btree (author)
        found     nothing

      function public.twice(integer): unexpected
        expected  nothing
        found     CREATE OR REPLACE FUNCTION public.twice(n integer) …

      Drift: 3 differences between the database and what its 3 applied migrations make.
      Next: undo each difference in the database, or put it into a migration (tidemark generate --custom).
      --ignore leaves out what may differ, e.g. --ignore 'audit.*'.
      "
    `);
    expect(await drift("--json")).toMatchInlineSnapshot(`
      "exit code 4
      --- stdout
      {"drift":true,"version":"0002_first_note","applied":3,"pending":0,"differences":[{"kind":"column","name":"public.notes.body","change":"different","property":"not null","expected":"yes","found":"no"},{"kind":"index","name":"public.notes_author_idx","change":"missing","expected":"CREATE INDEX notes_author_idx ON public.notes USING btree (author)"},{"kind":"function","name":"public.twice(integer)","change":"unexpected","found":"CREATE OR REPLACE FUNCTION public.twice(n integer)\\n RETURNS integer\\n LANGUAGE sql\\nAS $function$\\n        select n * 2\\n      $function$\\n"}],"ignored":0,"warnings":[],"notes":[]}
      "
    `);
    expect(await drift("--ignore", "notes*", "--ignore", "public.*")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      No drift (3 ignored): the database is what its 3 applied migrations make.
      --- stderr
      note: No difference matches --ignore "notes*".
      "
    `);
  });

  test("of a function that differs shows the first line that does", async () => {
    const body = (n: number) =>
      `create or replace function f() returns integer language sql as $$\n  select 1;\n  select ${n};\n$$;`;
    await shop.project.write("drizzle/0000_f.sql", body(1));
    await shop.project.list(["0000_f"]);
    await shop.tidemark("migrate");
    await shop.database.sql.unsafe(body(2));
    expect(await drift()).toMatchInlineSnapshot(`
      "exit code 4
      --- stdout
      function public.f(): definition
        expected  line 6: select 1;
        found     line 6: select 2;

      Drift: 1 difference between the database and what its 1 applied migration makes.
      Next: undo each difference in the database, or put it into a migration (tidemark generate --custom).
      --ignore leaves out what may differ, e.g. --ignore 'audit.*'.
      --- stderr
      note: 0000_create_notes.sql has no entry in meta/_journal.json and is not run.
      note: 0001_add_author.sql has no entry in meta/_journal.json and is not run.
      note: 0002_first_note.sql has no entry in meta/_journal.json and is not run.
      "
    `);
  });

  test("an --ignore that cannot be meant is refused", async () => {
    expect(await drift("--ignore", "indx:public.*")).toMatch(
      /^exit code 2\n--- stderr\nerror \(usage\) --ignore "indx:public\.\*": there is no kind "indx"/,
    );
  });
});

describe("a database", () => {
  test("in which nothing is applied is compared with an empty one", async () => {
    expect(await drift()).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      No drift: the database is empty.
      --- stderr
      note: No migration is applied here (ledger: schema tidemark): the database is compared with an empty one. If that is wrong, check --url and --ledger-schema.
      "
    `);
    await shop.database.sql`create table stray (id integer)`;
    expect(await drift()).toMatchInlineSnapshot(`
      "exit code 4
      --- stdout
      table public.stray: unexpected
        expected  nothing
        found     it is there

      Drift: 1 difference between the database and an empty one.
      Next: undo each difference in the database, or put it into a migration (tidemark generate --custom).
      --ignore leaves out what may differ, e.g. --ignore 'audit.*'.
      --- stderr
      note: No migration is applied here (ledger: schema tidemark): the database is compared with an empty one. If that is wrong, check --url and --ledger-schema.
      "
    `);
  });

  test("that drizzle's own migrator has filled is not compared", async () => {
    await shop.database.sql.unsafe(`create schema drizzle;
      create table drizzle.__drizzle_migrations (id serial, hash text, created_at bigint);
      insert into drizzle.__drizzle_migrations (hash) values ('x')`);
    expect(await drift()).toMatch(/^exit code 4\n--- stderr\nerror \(adopt_required\)/);
  });

  test("with pending migrations is compared with what is applied", async () => {
    await shop.tidemark("migrate", "--to", "0000_create_notes");
    expect(await drift()).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      No drift: the database is what its 1 applied migration makes.
      --- stderr
      note: 2 pending migrations are not part of the comparison: 0001_add_author, 0002_first_note.
      "
    `);
  });

  test("with one pending in the midst of the applied ones is compared without it", async () => {
    await shop.project.write("drizzle/0003_more.sql", "alter table notes add column more text");
    await shop.project.list(["0000_create_notes", "0003_more"]);
    await shop.tidemark("migrate");
    await shop.project.list(["0000_create_notes", "0001_add_author", "0003_more"]);
    expect(await drift()).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      No drift: the database is what its 2 applied migrations make.
      --- stderr
      note: 0002_first_note.sql has no entry in meta/_journal.json and is not run.
      note: 1 pending migration is not part of the comparison: 0001_add_author.
      "
    `);
  });

  test("that stands in the middle of a migration is not compared", async () => {
    await shop.project.write(
      "drizzle/0001_add_author.sql",
      "create table a (); create index concurrently a_idx on a (missing)",
    );
    await shop.tidemark("migrate");
    expect(await drift()).toMatchInlineSnapshot(`
      "exit code 1
      --- stderr
      error (migration_failed) 0001_add_author has failed: statement 2 was started, but its end is not recorded.
      Nothing was compared. The next run finds out what became of it: tidemark migrate
      "
    `);
  });

  test("that is ahead of the checkout is not compared", async () => {
    await shop.tidemark("migrate");
    await shop.project.list(["0000_create_notes"]);
    expect(await drift()).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (missing_file) The database is at 0002_first_note, ahead of this checkout, which lacks 0001_add_author, 0002_first_note.
      Nothing was compared. What these make is not known here. Compare with the release that was deployed last (\`git fetch\`, and check it out).
      "
    `);
  });

  test("to which an applied file was edited is not compared", async () => {
    await shop.tidemark("migrate");
    await shop.project.write("drizzle/0001_add_author.sql", "select 1");
    expect(await drift()).toMatch(
      /^exit code 4\n--- stderr\nerror \(checksum_mismatch\) drizzle\/0001_add_author\.sql was edited.*\nNothing was compared\. Restore/s,
    );
  });

  test("with other names for the ledger's schema is compared without that schema", async () => {
    await shop.tidemark("migrate", "--ledger-schema", "log");
    await shop.database.sql`create schema drizzle create table drizzle.t ()`;
    expect(await drift("--ledger-schema", "log")).toMatch(/^exit code 0\n/);
  });
});

describe("a history that does not run on the scratch server", () => {
  test("is an error with the place in the file, and the live database is as it was", async () => {
    await shop.database.sql`create table legacy (id integer)`;
    await shop.project.write(
      "drizzle/0001_add_author.sql",
      "select 1;\nalter table legacy add column author text;",
    );
    await shop.project.list(["0000_create_notes", "0001_add_author"]);
    await shop.tidemark("migrate", "--allow-existing");
    expect(await drift()).toMatchInlineSnapshot(`
      "exit code 1
      --- stderr
      error (migration_failed) drizzle/0001_add_author.sql:2:1 fails when it is replayed on the scratch server: relation "legacy" does not exist (SQLSTATE 42P01)
      Nothing was compared. It was applied, but does not run on an empty database: it may rely on rows, or on objects that no migration makes. --scratch-url names another server to replay it on.
      "
    `);
  });

  test("for want of an extension leads to --scratch-url", async () => {
    await shop.database.sql`create table has_extension ()`;
    await shop.project.write(
      "drizzle/0000_create_notes.sql",
      `do $$ begin
        if to_regclass('has_extension') is null then
          raise 'extension "vector" is not available' using errcode = '0A000';
        end if;
      end $$`,
    );
    await shop.project.list(["0000_create_notes"]);
    await shop.tidemark("migrate", "--allow-existing");
    expect(await drift()).toMatch(
      /extension "vector" is not available \(SQLSTATE 0A000\).*name a server that has it with --scratch-url/s,
    );
  });

  test("because the server lacks a role is refused before it runs", async () => {
    const role = `gone_${shop.database.name}`;
    await shop.database.sql.unsafe(`create role ${role}`);
    await shop.project.write(
      "drizzle/0001_add_author.sql",
      `grant select on notes to ${role}; revoke select on notes from ${role}`,
    );
    await shop.project.list(["0000_create_notes", "0001_add_author"]);
    await shop.tidemark("migrate");
    await onServer((admin) => admin.ask(`drop role ${role}`));
    expect(await drift()).toMatch(
      new RegExp(
        `error \\(config\\) The migrations name roles that the scratch server does not have: ${role}\\.`,
      ),
    );
  });

  test("without changes to what others share is refused", async () => {
    const role = `made_${shop.database.name}`;
    await shop.project.write("drizzle/0001_add_author.sql", `create role ${role}`);
    await shop.project.list(["0000_create_notes", "0001_add_author"]);
    await shop.tidemark("migrate");
    const refused = await drift();
    await onServer((admin) => admin.ask(`drop role ${role}`));
    expect(refused).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (config) The migrations change what all databases of a server share:
        drizzle/0001_add_author.sql: CREATE ROLE
      Nothing was compared. Others on the server of --scratch-url would see the change. Leave out --scratch-url: a throw-away embedded PostgreSQL is used then.
      "
    `);
  });

  test("because nobody listens there is an error that says so", async () => {
    const nowhere = ["--scratch-url", "postgres://nobody@127.0.0.1:1/x"];
    expect(await shop.tidemark("drift", ...nowhere)).toMatch(
      /^exit code 1\n--- stderr\nerror \(connect\) The scratch server cannot be used: .*127\.0\.0\.1/,
    );
  });
});

test("a role that may read the ledger and no more sees the drift, in a read-only database", async () => {
  const { database, project } = shop;
  await shop.tidemark("migrate");
  const role = `reader_${database.name}`;
  await database.sql.unsafe(`
    create role ${role} login password 'pw';
    revoke all on database ${database.name} from public;
    grant connect on database ${database.name} to ${role};
    grant usage on schema tidemark to ${role};
    grant select on all tables in schema tidemark to ${role};
    alter table notes add column secret text;
    alter database ${database.name} set default_transaction_read_only = on`);
  try {
    const url = urlOfDatabase(database.name, { user: role, password: "pw" });
    const args = ["drift", "--json", "--scratch-url", inject("serverUrl")];
    const { code, stdout } = await project.run(args, { DATABASE_URL: url });
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({
      code: 4,
      differences: [
        { name: "default_transaction_read_only", change: "unexpected", found: "on" },
        { name: "public.notes.secret", change: "unexpected" },
      ],
    });
  } finally {
    await onServer(async (admin) => {
      await admin.ask(`alter database ${database.name} reset default_transaction_read_only`);
    });
    await database.sql.unsafe(
      `set default_transaction_read_only = off; drop owned by ${role}; drop role ${role}`,
    );
  }
});

test("without a journal there is nothing to compare with", async () => {
  await rm(join(shop.project.root, "drizzle"), { recursive: true });
  expect(await drift()).toMatch(
    /^exit code 2\n--- stderr\nerror \(config\) There is no migrations/,
  );
  await shop.project.write("drizzle/meta/_journal.json", journalOf([]));
  expect(await drift()).toMatch(/^exit code 0\n/);
});
