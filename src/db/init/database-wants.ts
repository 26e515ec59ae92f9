import { literal } from "../base/quote.ts";
import type { RoleName, Setup, Want } from "./init-types.ts";

/** Rights of the application's role by kind of object, as `pg_default_acl` and `GRANT` name the kinds. */
const KINDS = [
  { kind: "n", on: "schemas", verb: "use", rights: ["USAGE"] },
  {
    kind: "r",
    on: "tables",
    verb: "read and write",
    rights: ["SELECT", "INSERT", "UPDATE", "DELETE"],
  },
  { kind: "S", on: "sequences", verb: "use", rights: ["USAGE", "SELECT"] },
  { kind: "f", on: "functions", verb: "call", rights: ["EXECUTE"] },
  { kind: "T", on: "types", verb: "use", rights: ["USAGE"] },
] as const;

/** Everything that the database must have, apart from the ledger. Looked for and made within it. */
export function databaseWants(setup: Setup): readonly Want[] {
  const { owner, deployer, app } = setup;
  return [
    closed(setup),
    databaseRight(setup, owner, ["CONNECT", "CREATE", "TEMPORARY"]),
    ...(deployer === undefined ? [] : [databaseRight(setup, deployer, ["CONNECT"])]),
    databaseRight(setup, app, ["CONNECT"]),
    ...publicSchema(setup),
    ...existing(setup),
    ...defaults(setup),
  ];
}

// What other roles may do in a database with a past, somebody may depend on.
const IS_EMPTY = `not exists (
    select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema')`;

function closed({ database, owner }: Setup): Want {
  return {
    what: `${database}, while it is empty, is closed to other roles`,
    // Nor where somebody has decided otherwise.
    lacking: `select format('revoke all on database %I from public', d.datname)
  from pg_database d join pg_roles r on r.oid = d.datdba
  where d.datname = ${literal(database)} and r.rolname = ${literal(owner.name)} and d.datacl is null
    and ${IS_EMPTY}`,
  };
}

function databaseRight({ database }: Setup, { name }: RoleName, rights: readonly string[]): Want {
  const lacks = rights.map((right) => `not has_database_privilege(r.oid, d.oid, '${right}')`);
  return {
    what: `${name} may ${rights.length === 1 ? "connect to" : "connect to and create in"} ${database}`,
    lacking: `select format('grant ${rights.join(", ").toLowerCase()} on database %I to %I', d.datname, r.rolname)
  from pg_database d, pg_roles r
  where d.datname = ${literal(database)} and r.rolname = ${literal(name)} and (${lacks.join(" or ")})`,
  };
}

/** Where the ledger is there: the application reads it, and writes nothing into it. */
export function ledgerWants({ app, ledgerSchema }: Setup): readonly Want[] {
  const role = oidOf(app.name);
  const tables = `pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = ${literal(ledgerSchema)} and c.relkind = 'r'`;
  return [
    {
      what: `${app.name} may read the ledger`,
      lacking: `select format('grant usage on schema %I to %I', n.nspname, ${literal(app.name)})
  from pg_namespace n
  where n.nspname = ${literal(ledgerSchema)} and not has_schema_privilege(${role}, n.oid, 'USAGE')
  union all
  select format('grant select on table %I.%I to %I', n.nspname, c.relname, ${literal(app.name)})
  from ${tables} and not has_table_privilege(${role}, c.oid, 'SELECT')`,
    },
    {
      what: `${app.name} may not write the ledger`,
      lacking: `select format('revoke insert, update, delete, truncate, references, trigger on table %I.%I from %I',
    n.nspname, c.relname, ${literal(app.name)})
  from ${tables} and has_table_privilege(${role}, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
  union all
  select format('revoke create on schema %I from %I', n.nspname, ${literal(app.name)})
  from pg_namespace n
  where n.nspname = ${literal(ledgerSchema)} and has_schema_privilege(${role}, n.oid, 'CREATE')`,
    },
  ];
}

function publicSchema({ owner, app }: Setup): readonly Want[] {
  return [
    {
      // As it is from PostgreSQL 15 on.
      what: "schema public, while the database is empty, lets nobody create",
      isOptional: true,
      lacking: `select 'revoke create on schema public from public'
  from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
  where n.nspname = 'public' and a.grantee = 0 and a.privilege_type = 'CREATE'
    and ${IS_EMPTY}`,
    },
    {
      what: `${owner.name} may create in schema public`,
      isOptional: true,
      lacking: schemaLacking("public", owner.name, ["USAGE", "CREATE"]),
    },
    {
      what: `${app.name} may use schema public`,
      isOptional: true,
      lacking: schemaLacking("public", app.name, ["USAGE"]),
    },
  ];
}

function schemaLacking(schema: string, role: string, rights: readonly string[]): string {
  const lacks = rights.map(
    (right) => `not has_schema_privilege(${oidOf(role)}, n.oid, '${right}')`,
  );
  return `select format('grant ${rights.join(", ").toLowerCase()} on schema %I to %I', n.nspname, ${literal(role)})
  from pg_namespace n
  where n.nspname = ${literal(schema)} and (${lacks.join(" or ")})`;
}

/** What later migrations make, in schemas that are not there yet too. */
function defaults({ owner, app }: Setup): readonly Want[] {
  return KINDS.map(({ kind, on, verb, rights }) => ({
    what: `${app.name} may ${verb} the ${on} that ${owner.name} will make`,
    lacking: `select format('alter default privileges for role %I grant ${rights.join(", ").toLowerCase()} on ${on} to %I',
    ${literal(owner.name)}, ${literal(app.name)})
  where ${lacksDefault(kind, rights, { owner, app })}`,
  }));
}

function lacksDefault(
  kind: string,
  rights: readonly string[],
  { owner, app }: Pick<Setup, "owner" | "app">,
): string {
  return `(
    select count(*) from pg_default_acl d, aclexplode(d.defaclacl) a
    where d.defaclrole = ${oidOf(owner.name)} and d.defaclnamespace = 0 and d.defaclobjtype = '${kind}'
      and a.grantee = ${oidOf(app.name)} and a.privilege_type in (${rights.map(literal).join(", ")})
  ) < ${rights.length}`;
}

/**
 * What the owner has made before. To be looked for before the defaults are there: what lacks a right although they
 * are is of a migration's doing, as `revoke delete on audit from app`; only what nobody has ever granted on is not.
 */
function existing({ owner, app, ledgerSchema }: Setup): readonly Want[] {
  const role = oidOf(app.name);
  const to = literal(app.name);
  const isOpen = (acl: string, wanted: string) => {
    const found = KINDS.find(({ kind }) => kind === wanted);
    return `(${acl} is null or ${lacksDefault(wanted, found?.rights ?? [], { owner, app })})`;
  };
  const within = `n.nspname <> ${literal(ledgerSchema)} and n.nspname !~ '^pg_'`;
  return [
    {
      what: `${app.name} may use the schemas that ${owner.name} has made`,
      lacking: `select format('grant usage on schema %I to %I', n.nspname, ${to})
  from pg_namespace n
  where ${within} and n.nspowner = ${oidOf(owner.name)} and ${isOpen("n.nspacl", "n")} and not has_schema_privilege(${role}, n.oid, 'USAGE')`,
    },
    {
      what: `${app.name} may read and write the tables that ${owner.name} has made`,
      lacking: `select format('grant select, insert, update, delete on table %I.%I to %I', n.nspname, c.relname, ${to})
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where ${within} and c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relowner = ${oidOf(owner.name)}
    and ${isOpen("c.relacl", "r")}
    and exists (select from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) as wanted
      where not has_table_privilege(${role}, c.oid, wanted))`,
    },
    {
      what: `${app.name} may use the sequences that ${owner.name} has made`,
      lacking: `select format('grant usage, select on sequence %I.%I to %I', n.nspname, c.relname, ${to})
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where ${within} and c.relkind = 'S' and c.relowner = ${oidOf(owner.name)}
    and ${isOpen("c.relacl", "S")}
    and not (has_sequence_privilege(${role}, c.oid, 'USAGE') and has_sequence_privilege(${role}, c.oid, 'SELECT'))`,
    },
    {
      what: `${app.name} may call the functions that ${owner.name} has made`,
      lacking: `select format('grant execute on routine %s to %I', p.oid::regprocedure, ${to})
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where ${within} and p.proowner = ${oidOf(owner.name)} and ${isOpen("p.proacl", "f")} and not has_function_privilege(${role}, p.oid, 'EXECUTE')`,
    },
  ];
}

/** A role that need not be there while the statement is parsed. */
function oidOf(role: string): string {
  return `(select oid from pg_roles where rolname = ${literal(role)})`;
}
