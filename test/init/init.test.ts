import { describe, expect, test } from "vitest";
import { initScript } from "../../src/db/init/index.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { onServer } from "../helpers/database.ts";
import { unprepared } from "../helpers/prepared-database.ts";

const HISTORY = [
  {
    tag: "0000_first",
    sql: "create table things (id bigint generated always as identity primary key, n int)",
  },
  {
    tag: "0001_all_kinds",
    sql: `create type mood as enum ('good', 'bad');
create schema later;
create table later.moods (id serial primary key, mood mood not null);
create view later.good as select * from later.moods where mood = 'good';
create materialized view later.counts as select mood, count(*) from later.moods group by 1;
create sequence numbers;
create function twice(int) returns int language sql as 'select 2 * $1';
create procedure later.nothing() language sql as '';`,
  },
];

const made = (steps: readonly { what: string; outcome: string }[]) =>
  steps.filter(({ outcome }) => outcome === "made").map(({ what }) => what);

describe("init", () => {
  test("makes the database, the roles, their rights and the ledger, and the second time nothing", async () => {
    const prepared = unprepared();
    const { owner, app, database } = prepared;
    const first = await prepared.init();
    expect(first).toMatchObject({
      outcome: "made",
      database,
      owner: owner.name,
      app: app.name,
      notes: [],
    });
    expect(made(first.steps)).toEqual(
      expect.arrayContaining([
        `role ${owner.name}`,
        `role ${app.name}`,
        `database ${database}`,
        "ledger in schema tidemark",
        `${app.name} may use the schemas that ${owner.name} will make`,
      ]),
    );
    const second = await prepared.init();
    expect(second.outcome).toBe("there");
    expect(second.steps.map(({ what }) => what)).toEqual(first.steps.map(({ what }) => what));
    expect(new Set(second.steps.map(({ outcome }) => outcome))).toEqual(new Set(["there"]));
  });

  test("may be run by many processes at once", async () => {
    const prepared = unprepared();
    const reports = await Promise.all(Array.from({ length: 6 }, () => prepared.init()));
    expect(reports.some(({ outcome }) => outcome === "made")).toBe(true);
    expect((await prepared.init()).outcome).toBe("there");
  });

  test.each([
    ["the owner", false],
    ["a deployer that is only a member of the owner's role", true],
  ])(
    "what %s migrates is the owner's, for the application to use and not to change",
    async (_, deployer) => {
      const prepared = unprepared({ deployer });
      await prepared.init();
      await new DatabaseMigrator({ url: prepared.migrationUrl, history: HISTORY }).migrate();
      const superuser = prepared.as(prepared.superuserUrl);
      const owners = await superuser`
      select distinct r.rolname from (
        select relowner as owner from pg_class c join pg_namespace n on n.oid = relnamespace
          where nspname in ('public', 'later', 'tidemark')
        union all select typowner from pg_type t join pg_namespace n on n.oid = typnamespace where nspname = 'later' or typname = 'mood'
        union all select proowner from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname in ('public', 'later', 'tidemark')
        union all select nspowner from pg_namespace where nspname in ('later', 'tidemark')
      ) as made join pg_roles r on r.oid = owner`;
      expect(owners.map(({ rolname }) => rolname)).toEqual([prepared.owner.name]);

      const app = prepared.as(prepared.appUrl);
      await app`insert into things (n) values (1), (2)`;
      await app`update things set n = 3 where n = 2`;
      await app`delete from things where n = 1`;
      expect(await app`select n, twice(n) from things`).toEqual([{ n: 3, twice: 6 }]);
      await app`insert into later.moods (mood) values ('good')`;
      expect(await app`select id, mood from later.good`).toHaveLength(1);
      expect(await app`select * from later.counts`).toEqual([]);
      expect(await app`select nextval('numbers') as next`).toEqual([{ next: "1" }]);
      await app`call later.nothing()`;
      expect(await app`select 'good'::mood as mood`).toEqual([{ mood: "good" }]);
      expect(await app`select tag from tidemark.schema_migrations`).toHaveLength(2);

      for (const statement of [
        "truncate things",
        "alter table things add column more int",
        "drop table things",
        "create index on things (n)",
        "create trigger t before insert on things execute function suppress_redundant_updates_trigger()",
        "alter type mood add value 'so so'",
        "drop view later.good",
        "refresh materialized view later.counts",
        "drop function twice(int)",
        "alter sequence numbers restart",
        "drop schema later cascade",
        "create table mine ()",
        "create table later.mine ()",
        "create temporary table mine ()",
        "create schema mine",
        "create role mine",
        "insert into tidemark.runner (id) values (2)",
        "update tidemark.runner set token = 9",
        "delete from tidemark.migration_events",
        "update tidemark.schema_migrations set state = 'PENDING'",
        "truncate tidemark.migration_events",
        "select nextval('tidemark.migration_events_id_seq')",
        "create table tidemark.mine ()",
        `set role "${prepared.owner.name}"`,
      ]) {
        await expect(app.unsafe(statement).then(() => statement)).rejects.toMatchObject({
          code: "42501",
        });
      }
      const migrator = new DatabaseMigrator({ url: prepared.appUrl, history: HISTORY });
      expect(await migrator.status()).toMatchObject({ pending: 0 });
      expect(await migrator.waitUntilCurrent()).toMatchObject({ outcome: "current" });
    },
  );

  test("lets nobody else into a database that it makes", async () => {
    const prepared = unprepared();
    await prepared.init();
    const other = unprepared();
    await other.init();
    const stranger = prepared.as(
      other.appUrl.replace(
        encodeURIComponent(other.database),
        encodeURIComponent(prepared.database),
      ),
    );
    await expect(stranger`select 1`).rejects.toMatchObject({ code: "42501" });
  });

  test("gives the application its rights on what the owner had made before", async () => {
    const prepared = unprepared();
    const { owner, database } = prepared;
    await onServer(async (admin) => {
      await admin.ask(
        `create role "${owner.name}" login password '${owner.password?.replaceAll("'", "''")}'`,
      );
      await admin.ask(`create database "${database}" owner "${owner.name}"`);
    });
    await new DatabaseMigrator({ url: prepared.migrationUrl, history: HISTORY }).migrate();
    expect((await prepared.init()).steps).toContainEqual({
      what: "ledger in schema tidemark",
      outcome: "there",
    });
    const app = prepared.as(prepared.appUrl);
    await app`insert into later.moods (mood) values ('good')`;
    expect(await app`select nextval('numbers') as next`).toEqual([{ next: "1" }]);
    // Whoever could connect before still can: somebody may depend on it.
    const other = unprepared();
    await other.init();
    const { migrationUrl } = other;
    const beside = prepared.as(
      migrationUrl.replace(
        encodeURIComponent(other.database),
        encodeURIComponent(prepared.database),
      ),
    );
    expect(await beside`select 1 as one`).toEqual([{ one: 1 }]);
    expect((await prepared.init()).notes).toContainEqual(
      expect.stringContaining("Every role of the server may connect"),
    );
    await expect(app`delete from tidemark.schema_migrations`).rejects.toMatchObject({
      code: "42501",
    });
    expect((await prepared.init()).outcome).toBe("there");
  });

  test("gives nothing back that a migration has taken away", async () => {
    const prepared = unprepared();
    await prepared.init();
    const app = prepared.app.name;
    const sql = `create table audit (n int); revoke update, delete on audit from "${app}";
      create table secrets (n int); revoke all on secrets from "${app}";
      create function risky() returns int language sql as 'select 1';
      revoke all on function risky() from public, "${app}"`;
    const history = [{ tag: "0000_audit", sql }];
    await new DatabaseMigrator({ url: prepared.migrationUrl, history }).migrate();
    const again = await prepared.init();
    expect(again.outcome).toBe("there");
    expect(again.notes).toEqual([
      expect.stringContaining(`${app} lacks rights on public.audit, public.secrets.`),
    ]);
    const serving = prepared.as(prepared.appUrl);
    await serving`insert into audit values (1)`;
    for (const refused of ["delete from audit", "select from secrets", "select risky()"]) {
      await expect(serving.unsafe(refused)).rejects.toMatchObject({ code: "42501" });
    }
  });

  test("a role with CREATEROLE and CREATEDB is enough", async () => {
    const prepared = unprepared();
    const name = `admin_of_${prepared.app.name}`;
    await onServer((admin) =>
      admin.ask(`create role ${name} login createrole createdb password 'x'`),
    );
    try {
      const adminUrl = prepared.adminUrl.replace(/\/\/[^@]*@/, `//${name}:x@`);
      expect((await prepared.init({ adminUrl })).outcome).toBe("made");
      await new DatabaseMigrator({ url: prepared.migrationUrl, history: HISTORY }).migrate();
      await prepared.as(prepared.appUrl)`insert into later.moods (mood) values ('good')`;
      const again = await prepared.init({ adminUrl });
      expect(again.outcome).toBe("there");
    } finally {
      await onServer(async (admin) => {
        await admin.ask(`drop database if exists "${prepared.database}" with (force)`);
        await admin.ask(`drop owned by ${name} cascade`);
        await admin.ask(`drop role if exists "${prepared.app.name}"`);
        await admin.ask(`drop role if exists "${prepared.owner.name}"`);
        await admin.ask(`drop role ${name}`);
      });
    }
  });

  test("notes what belongs to somebody else, and leaves it", async () => {
    const prepared = unprepared();
    await onServer((admin) => admin.ask(`create database "${prepared.database}"`));
    await prepared.as(prepared.superuserUrl)`create table old ()`;
    const { notes } = await prepared.init();
    // On 14 everybody may create in `public` too, which is a note of its own.
    expect(notes).toEqual(
      expect.arrayContaining([
        expect.stringContaining("Every role of the server may connect"),
        expect.stringContaining(`The database ${prepared.database} belongs to `),
        expect.stringMatching(/1 belong to .*: Owner-.* cannot change them\. .* to "Owner-/),
      ]),
    );
  });
});

describe("init refuses, before it makes anything,", () => {
  test.each([
    ["one role for both", undefined, /use one role/],
    [
      "a superuser for the application",
      "superuser",
      /is a superuser, or has CREATEROLE or BYPASSRLS/,
    ],
    ["a role for the application that may make roles", "createrole", /has CREATEROLE/],
    ["a role that may not log in", "nologin", /may not log in/],
  ])("%s", async (_, attribute, fact) => {
    const prepared = unprepared();
    const { app } = prepared;
    if (attribute !== undefined) {
      await onServer((admin) =>
        admin.ask(
          `create role "${app.name}" ${attribute === "nologin" ? "" : "login "}${attribute}`,
        ),
      );
    }
    const changes = attribute === undefined ? { owner: app } : {};
    await expect(prepared.init(changes)).rejects.toMatchObject({
      code: "config",
      outcome: "nothing-run",
      fact: expect.stringMatching(fact),
    });
    expect(
      await onServer((admin) =>
        admin.ask(`select from pg_database where datname = '${prepared.database}'`),
      ),
    ).toEqual([]);
  });

  test("an application's role that is a member of the owner's", async () => {
    const prepared = unprepared();
    const { app, owner } = prepared;
    await onServer(async (admin) => {
      await admin.ask(`create role "${owner.name}" login`);
      await admin.ask(`create role "${app.name}" login in role "${owner.name}"`);
    });
    await expect(prepared.init()).rejects.toMatchObject({
      code: "config",
      fact: expect.stringContaining("is a member of"),
    });
  });
});

test.each([
  [
    "a member of a superuser",
    "create role $third superuser; grant $third to $app",
    /is a member of/,
  ],
  [
    "able to write everything",
    "grant pg_write_all_data to $app",
    /is a member of pg_write_all_data/,
  ],
  [
    "able to write the ledger by a right that everybody has",
    "grant all on all tables in schema tidemark to public",
    /not so: app_.* may not write the ledger\. The server ran `revoke insert/,
  ],
])("an application's role that is %s is refused", async (_, change, fact) => {
  const prepared = unprepared();
  await prepared.init();
  const third = `third_${prepared.app.name}`;
  const superuser = prepared.as(prepared.superuserUrl);
  await superuser.unsafe(
    change.replaceAll("$third", third).replaceAll("$app", `"${prepared.app.name}"`),
  );
  await expect(prepared.init()).rejects.toMatchObject({
    code: "config",
    fact: expect.stringMatching(fact),
  });
  await superuser.unsafe(`drop role if exists ${third}`);
});

test("names that the server would cut are refused: they would be one", async () => {
  const prepared = unprepared();
  const long = (end: string) => ({ name: `${"ü".repeat(31)}${end}`, password: "x" });
  await expect(prepared.init({ owner: long("_owner"), app: long("_app") })).rejects.toMatchObject({
    code: "config",
    fact: expect.stringContaining("68 bytes; PostgreSQL cuts names at 63"),
    outcome: "nothing-run",
  });
  expect(() => initScript({ ...prepared, database: "shop\n\\! id" })).toThrow(
    "holds a control character",
  );
  expect(initScript({ ...prepared, database: `postgres://a'b"\\` })).toContain(
    `\\connect -reuse-previous=on "dbname='postgres://a\\'b""\\\\'"\n`,
  );
});

test("where a role was there with another password, it says whose, and what to do", async () => {
  const prepared = unprepared();
  await prepared.init();
  const appUrl = prepared.appUrl.replace(/:[^:@]*@/, ":other@");
  // A server that trusts everybody asks for no password.
  const isTrusting = await prepared.as(appUrl)`select 1`.then(
    () => true,
    () => false,
  );
  if (isTrusting) expect((await prepared.init({ appUrl })).outcome).toBe("there");
  else {
    await expect(prepared.init({ appUrl })).rejects.toMatchObject({
      code: "connect",
      fact: expect.stringContaining(`${prepared.app.name} could not log in`),
      remedy: expect.stringContaining("\\password"),
    });
  }
});

test("an application that may create, or cannot log in, is told of", async () => {
  const prepared = unprepared();
  await prepared.init();
  const superuser = prepared.as(prepared.superuserUrl);
  await superuser`create schema old`;
  await superuser`grant create on schema old to public`;
  expect((await prepared.init()).notes).toEqual([
    expect.stringContaining(`${prepared.app.name} may create in schema old`),
  ]);
  const appUrl = prepared.appUrl.replace(/:\d+\//, ":1/");
  await expect(prepared.init({ appUrl })).rejects.toMatchObject({
    code: "connect",
    fact: expect.stringMatching(/could not log in .*ECONNREFUSED/),
    remedy: expect.stringContaining("Everything else is made"),
  });
});

test("a role without rights is told what it lacks, and of --print", async () => {
  const prepared = unprepared();
  const other = unprepared();
  await other.init();
  const adminUrl = other.appUrl;
  await expect(prepared.init({ adminUrl })).rejects.toMatchObject({
    code: "config",
    fact: expect.stringMatching(/could not make this: role Owner-.*permission denied/s),
    remedy: expect.stringContaining("tidemark init --print"),
  });
});
