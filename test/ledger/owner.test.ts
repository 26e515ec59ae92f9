import { expect, test } from "vitest";
import { onServer, urlOfDatabase, useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { FilledDatabaseMigrator } from "../helpers/migrator.ts";
import { createMigratingRole } from "../helpers/role.ts";

const database = useDatabase();
const folder = useHistory();

test("whoever deploys in the name of an owner's role leaves all to the owner, and the app's role cannot alter it", async () => {
  const owner = `owner_${database.name}`;
  const app = `app_${database.name}`;
  await onServer((admin) =>
    admin.ask(`create role ${owner}; create role ${app} login password 'pw';
      grant create on database ${database.name} to ${owner}`),
  );
  await database.sql.unsafe(`grant all on schema public to ${owner};
    alter default privileges for role ${owner} grant select, insert on tables to ${app}`);
  const deployer = await createMigratingRole(database, `in role ${owner}`, { role: owner });
  await folder.make({
    "0000_tables": `create table notes (id serial primary key, body text);
create type mood as enum ('calm');
alter type mood add value 'glad';
create function one() returns integer language sql as 'select 1';`,
    // Taking back a role of its own, a file ends in the owner's again.
    "0001_index": `set role ${deployer.name};
reset role;
create index concurrently notes_body_idx on notes (body);
create view shouting as select upper(body) as body from notes;`,
  });
  await new FilledDatabaseMigrator({ url: deployer.url, dir: folder.dir }).migrate();
  const owners = await database.sql<{ owner: string; count: number }[]>`
    select owner::regrole::text as owner, count(*)::int from (
      select relowner from pg_class where relnamespace in ('public'::regnamespace, 'tidemark'::regnamespace)
      union all select typowner from pg_type where typnamespace = 'public'::regnamespace
      union all select proowner from pg_proc where pronamespace in ('public'::regnamespace, 'tidemark'::regnamespace)
      union all select nspowner from pg_namespace where nspname = 'tidemark'
    ) objects (owner) group by owner`;
  expect(owners.map((row) => row.owner)).toEqual([owner]);
  const asApp = (folderUrl = urlOfDatabase(database.name, { user: app, password: "pw" })) =>
    new FilledDatabaseMigrator({ url: folderUrl, dir: folder.dir, ledgerSchema: "apps_own" });
  await folder.write("0000_tables", "alter table notes add column own text;");
  await folder.list(["0000_tables"]);
  await database.sql.unsafe(`create schema apps_own authorization ${app}`);
  await expect(asApp().migrate()).rejects.toThrow("must be owner of table notes");
  await database.sql.unsafe(`drop owned by ${app} cascade`);
  await deployer.drop();
  await database.sql.unsafe(`drop owned by ${owner} cascade`);
  await onServer((admin) => admin.ask(`drop role ${owner}; drop role ${app}`));
});
