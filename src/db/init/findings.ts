import { literal, quotedIfNeeded } from "../base/quote.ts";
import { listed } from "../base/text.ts";
import { MigrateError } from "../migrate/index.ts";
import type { Admin } from "../server/admin.ts";
import type { Setup } from "./init-types.ts";

interface FoundRole {
  readonly name: string;
  readonly canLogin: boolean;
  readonly isUnbound: boolean;
  readonly isOwner: boolean;
}

/**
 * Refuses roles that could not be what they are meant for, before anything is made.
 *
 * @throws MigrateError `config`
 */
export async function refuseUnfit(admin: Admin, setup: Setup): Promise<void> {
  const { owner, deployer, app } = setup;
  refuseNames(setup);
  const wanted = [owner, ...(deployer === undefined ? [] : [deployer]), app].map(
    ({ name }) => name,
  );
  if (new Set(wanted).size < wanted.length) {
    throw unfit(
      `The application and the migrations are to use one role, ${app.name}.`,
      "Give each its own: DATABASE_URL for the application, MIGRATION_DATABASE_URL for the role that migrates.",
    );
  }
  const found = await admin.ask<FoundRole>(`
    select r.rolname as name, r.rolcanlogin as "canLogin",
      r.rolsuper or r.rolbypassrls or r.rolcreaterole as "isUnbound",
      coalesce(pg_has_role(r.oid, (select oid from pg_roles where rolname = ${literal(owner.name)}), 'MEMBER'), false)
        as "isOwner"
    from pg_roles r where r.rolname in (${wanted.map(literal).join(", ")})`);
  const of = (name: string) => found.find((role) => role.name === name);
  const appRole = of(app.name);
  if (appRole?.isUnbound) {
    throw unfit(
      `${app.name} is a superuser, or has CREATEROLE or BYPASSRLS: no right that is withheld would bind it.`,
      "Take another role for the application, one that is made here.",
    );
  }
  if (appRole?.isOwner) {
    throw unfit(
      `${app.name} is a member of ${owner.name}: it could change every object.`,
      `Take it out (\`revoke ${quotedIfNeeded(owner.name)} from ${quotedIfNeeded(app.name)}\`), or take another role for the application.`,
    );
  }
  const [reach] = await admin.ask<{ name: string }>(`
    select r.rolname as name from pg_roles a join pg_roles r on r.oid <> a.oid and pg_has_role(a.oid, r.oid, 'MEMBER')
    where a.rolname = ${literal(app.name)} and (r.rolsuper or r.rolbypassrls or r.rolcreaterole
      or r.rolname in ('pg_write_all_data', 'pg_execute_server_program', 'pg_write_server_files'))
    order by 1 limit 1`);
  if (reach !== undefined) {
    throw unfit(
      `${app.name} is a member of ${reach.name}: no right that is withheld would bind it.`,
      `Take it out (\`revoke ${quotedIfNeeded(reach.name)} from ${quotedIfNeeded(app.name)}\`), or take another role for the application.`,
    );
  }
  const login = deployer ?? owner;
  for (const { name } of [login, app]) {
    if (of(name)?.canLogin === false) {
      throw unfit(
        `The role ${name} is there, and may not log in.`,
        `\`alter role ${quotedIfNeeded(name)} login\`, or take another one.`,
      );
    }
  }
}

/**
 * Refuses names that the server would cut, or psql would end a line at: they would be another role's or database's.
 *
 * @throws MigrateError `config`
 */
export function refuseNames({ database, owner, deployer, app }: Setup): void {
  for (const name of [database, owner.name, deployer?.name ?? "", app.name]) {
    const size = Buffer.byteLength(name);
    const isPlain = ![...name].some((character) => character < " " || character === "\u007F");
    if (size <= MOST_BYTES && isPlain) continue;
    throw unfit(
      isPlain
        ? `The name ${name} has ${size} bytes; PostgreSQL cuts names at ${MOST_BYTES}.`
        : `The name ${JSON.stringify(name)} holds a control character.`,
      "Take another name.",
    );
  }
}

const MOST_BYTES = 63;

/** What is there in another form than this makes it, and stays so. */
export async function notesOn(
  admin: Admin,
  { database, owner, app, ledgerSchema }: Setup,
): Promise<readonly string[]> {
  const [of] = await admin.ask<{ owner: string; isOpen: boolean }>(`
    select r.rolname as owner, exists (
      select from aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
      where a.grantee = 0 and a.privilege_type = 'CONNECT') as "isOpen"
    from pg_database d join pg_roles r on r.oid = d.datdba where d.datname = ${literal(database)}`);
  const others = await admin.ask<{ owner: string; isPinned: boolean; count: number }>(`
    select r.rolname as owner, r.oid = 10 as "isPinned", count(*)::int as count
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_roles r on r.oid = c.relowner
    where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and r.rolname <> ${literal(owner.name)}
      and not exists (select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
    group by 1, 2 order by 1`);
  const free = await admin.ask<{ name: string }>(`
    select 'schema ' || n.nspname as name from pg_namespace n, pg_roles r
    where r.rolname = ${literal(app.name)} and n.nspname !~ '^pg_' and has_schema_privilege(r.oid, n.oid, 'CREATE')
    union all
    select 'database ' || datname from pg_database, pg_roles r
    where r.rolname = ${literal(app.name)} and datname = ${literal(database)} and has_database_privilege(r.oid, datname, 'CREATE')
    order by 1`);
  const [withheld] = await admin.ask<{ names: readonly string[] }>(`
    select json_agg(format('%I.%I', n.nspname, c.relname) order by n.nspname, c.relname) as names
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_roles o on o.oid = c.relowner, pg_roles r
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_' and n.nspname <> ${literal(ledgerSchema)}
      and o.rolname = ${literal(owner.name)} and r.rolname = ${literal(app.name)}
      and exists (select from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) as wanted
        where not has_table_privilege(r.oid, c.oid, wanted))
    having count(*) > 0`);
  return [
    ...(withheld === undefined
      ? []
      : [
          `${app.name} lacks rights on ${listed(withheld.names)}. They were granted otherwise, or taken away: left so. ` +
            `To give them: \`grant select, insert, update, delete on … to ${quotedIfNeeded(app.name)}\`.`,
        ]),
    ...free.map(
      ({ name }) =>
        `${app.name} may create in ${name}: a right that it, a role of its, or everybody had before.`,
    ),
    ...(of?.isOpen
      ? [
          `Every role of the server may connect to ${database}, as before. To close it: ` +
            `\`revoke connect on database ${quotedIfNeeded(database)} from public\`, and grant it to those who need it.`,
        ]
      : []),
    ...(of === undefined || of.owner === owner.name
      ? []
      : [`The database ${database} belongs to ${of.owner}, not to ${owner.name}.`]),
    ...others.map(({ owner: other, isPinned, count }) => {
      const to = quotedIfNeeded(owner.name);
      // The server's first role owns the system catalogs too, and is never taken out of all that it owns.
      const how = isPinned
        ? `\`alter table … owner to ${to}\` for each of them`
        : `\`reassign owned by ${quotedIfNeeded(other)} to ${to}\` in that database`;
      return (
        `Of the tables, views and sequences in ${database}, ${count} belong to ${other}: ${owner.name} cannot change them. ` +
        `To hand them over: ${how}.`
      );
    }),
  ];
}

function unfit(fact: string, remedy: string): MigrateError {
  return new MigrateError({ code: "config", fact, outcome: "nothing-run", remedy });
}
