import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, inject, test } from "vitest";
import { startTidemark } from "../helpers/cli.ts";
import { createDatabase, onServer, type TestDatabase, urlOfDatabase } from "../helpers/database.ts";
import { createProject, type Project } from "../helpers/project.ts";

let database: TestDatabase;
let project: Project;
let names: Readonly<Record<"deployer" | "second" | "reader" | "made", string>>;

beforeEach(async () => {
  database = await createDatabase();
  const named = (part: string) => `${part}_${database.name}`;
  names = {
    deployer: named("deployer"),
    second: named("second"),
    reader: named("reader"),
    made: named("made"),
  };
  await onServer((admin) =>
    admin.ask(`create role ${names.deployer} login password 'pw';
      create role ${names.second} login password 'pw';
      create role ${names.reader};
      alter database ${database.name} owner to ${names.deployer}`),
  );
  project = await createProject({});
});

afterEach(async () => {
  await project.remove();
  // Before its roles, which own what is in it.
  await database.drop();
  await onServer(async (admin) => {
    for (const name of Object.values(names)) await admin.ask(`drop role if exists ${name}`);
  });
});

async function migrateAs(role: string, migrations: Readonly<Record<string, string>>) {
  for (const [tag, sql] of Object.entries(migrations)) {
    await project.write(`drizzle/${tag}.sql`, sql);
  }
  await project.list(Object.keys(migrations));
  const url = urlOfDatabase(database.name, { user: role, password: "pw" });
  const { code, stderr } = await project.run(["migrate", "--allow-existing"], {
    DATABASE_URL: url,
  });
  expect({ code, stderr }).toMatchObject({ code: 0 });
}

const SCRATCH = {
  "an embedded server": [],
  "another server": ["--scratch-url"],
} as const;

async function drift(scratch: keyof typeof SCRATCH, ...args: readonly string[]) {
  const option = SCRATCH[scratch].flatMap((name) => [name, inject("serverUrl")]);
  const { code, stdout, stderr } = await project.run(["drift", "--json", ...option, ...args], {
    DATABASE_URL: database.url,
  });
  if (stdout === "") throw new Error(stderr);
  return { code, ...JSON.parse(stdout) };
}

/** By a role that is no superuser, for others. */
const privileges = () => ({
  "0000_notes": `create extension citext;
    create schema app;
    alter default privileges in schema app grant select on tables to ${names.reader};
    create table app.notes (id bigint generated always as identity primary key, body citext);
    create table notes (id bigint);
    grant insert, update (id) on notes to ${names.reader};
    revoke execute on all functions in schema app from public;
    alter table notes enable row level security;
    create policy own on notes to ${names.deployer}, ${names.reader} using (true);
    create function app.one() returns integer language sql as 'select 1';
    revoke execute on function app.one() from public`,
});

describe.each(["an embedded server", "another server"] as const)("replayed on %s", (scratch) => {
  test("of a database that an unprivileged role migrated nothing differs but what was done by hand", async () => {
    await migrateAs(names.deployer, privileges());
    await database.sql.unsafe(`
      alter table app.notes owner to ${names.second};
      grant delete on notes to ${names.second};
      alter default privileges for role ${names.deployer} grant usage on sequences to ${names.reader}`);
    expect(await drift(scratch)).toMatchObject({
      code: 4,
      differences: [
        {
          kind: "table",
          name: "app.notes",
          property: "owner",
          expected: names.deployer,
          found: names.second,
        },
        {
          kind: "default privileges",
          name: `for ${names.deployer} on sequences`,
          change: "unexpected",
          found: `${names.reader}: USAGE`,
        },
        {
          kind: "table",
          name: "public.notes",
          property: `grants to ${names.second}`,
          expected: "none",
          found: "DELETE",
        },
      ],
      warnings: [],
    });
  });
});

describe("migrated by two roles", () => {
  const first = { "0000_a": "create table a (id bigint)" };
  const both = () => ({ ...first, "0001_b": "create table b (id bigint)" });

  beforeEach(async () => {
    await migrateAs(names.deployer, first);
    await database.sql.unsafe(`
      grant create, usage on schema public to ${names.second};
      grant usage on schema tidemark to ${names.second};
      grant select, insert, update on all tables in schema tidemark to ${names.second};
      grant execute on all functions in schema tidemark to ${names.second}`);
    await migrateAs(names.second, both());
  });

  test("on an embedded server each owns what it has made, and what was given away differs", async () => {
    await database.sql.unsafe(`alter table a owner to ${names.second}`);
    expect(await drift("an embedded server")).toMatchObject({
      code: 4,
      differences: [{ name: "public.a", expected: names.deployer, found: names.second }],
    });
  });

  test("on another server owners are not compared, and that is a warning", async () => {
    await database.sql.unsafe(`
      alter table a owner to ${names.second};
      grant select on b to ${names.reader}`);
    expect(await drift("another server")).toMatchObject({
      code: 4,
      differences: [{ name: "public.b", property: `grants to ${names.reader}`, found: "SELECT" }],
      warnings: [
        expect.stringMatching(
          /^Not compared: owners, .* Without --scratch-url they are compared\.$/,
        ),
      ],
    });
  });
});

test("a history that makes roles, acts as them and changes its database is replayed on an embedded server", async () => {
  await onServer((admin) => admin.ask(`alter role ${names.deployer} superuser`));
  await migrateAs(names.deployer, {
    "0000_roles": `create role ${names.made};
      create schema app authorization ${names.made};
      grant connect on database ${database.name} to ${names.made};
      alter database ${database.name} set work_mem = '8MB'`,
    "0001_acts": `set role ${names.made};
      create table app.notes (id bigint);
      grant select on app.notes to ${names.reader};
      create index concurrently notes_id_idx on app.notes (id);`,
    "0002_gives": `alter table app.notes owner to ${names.second};
      do $$ begin
        if not exists (select from pg_roles where rolname = '${names.second}') then
          create role ${names.second};
        end if;
      end $$`,
  });
  expect(await drift("an embedded server")).toMatchObject({
    code: 0,
    differences: [],
    warnings: [],
    applied: 3,
  });
});

test("where a role's own search_path says, its tables are expected", async () => {
  await onServer((admin) =>
    admin.ask(`alter role ${names.deployer} set search_path = "My app", public`),
  );
  await migrateAs(names.deployer, {
    "0000_notes": `create schema "My app"; create table notes (id bigint)`,
  });
  expect(await drift("an embedded server")).toMatchObject({ code: 0, differences: [] });
});

test("SIGINT ends a replay at once, and leaves no server behind", async () => {
  await database.sql.unsafe(`create table fast (); alter table fast owner to ${names.deployer}`);
  await migrateAs(names.deployer, {
    "0000_slow": "select pg_sleep(60) where to_regclass('fast') is null",
  });
  const running = startTidemark(["drift", "--json"], {
    cwd: project.root,
    env: { DATABASE_URL: database.url },
  });
  await running.stderrMatches(/replaying migration 1 of 1/);
  const at = performance.now();
  running.child.kill("SIGINT");
  const { code, stdout } = await running.end;
  expect(performance.now() - at).toBeLessThan(5_000);
  expect({ code, ...JSON.parse(stdout) }).toMatchObject({
    code: 130,
    error: { code: "canceled", remedy: "The database is as it was." },
  });
  expect(await readdir(join(project.root, ".tidemark/scratch"))).toEqual([]);
});
