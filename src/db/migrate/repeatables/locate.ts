import { identifier, integer, literal } from "../../base/quote.ts";
import type { MadeObject, SqlName } from "../repeatable-types.ts";

/**
 * A query for where an object is in the catalog: `classid`, `objid`, no row or null where there is none.
 *
 * @param rest more columns
 */
export function locate(made: MadeObject, rest: string): string {
  switch (made.kind) {
    case "relation":
      return `select 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid as classid, pg_catalog.to_regclass(${nameLiteral(made.name)})::pg_catalog.oid as objid, ${rest}`;
    case "indexes":
      return `select 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid as classid, i.indexrelid as objid, ${rest}
from pg_catalog.pg_index i where i.indrelid = pg_catalog.to_regclass(${nameLiteral(made.table)})`;
    case "routine":
      return `select 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid as classid, p.oid as objid, ${rest}
from pg_catalog.pg_proc p where ${routineIs(made.name, made.args)}`;
    case "trigger":
      return `select 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid as classid, t.oid as objid, ${rest}
from pg_catalog.pg_trigger t where t.tgname = ${literal(made.name)} and t.tgrelid = pg_catalog.to_regclass(${nameLiteral(made.table)})`;
    case "policy":
      return `select 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid as classid, p.oid as objid, ${rest}
from pg_catalog.pg_policy p where p.polname = ${literal(made.name)} and p.polrelid = pg_catalog.to_regclass(${nameLiteral(made.table)})`;
  }
}

function routineIs(name: SqlName, args: readonly string[] | undefined): string {
  const schema = name.length > 1 ? name.at(-2) : undefined;
  const within =
    schema === undefined
      ? "pg_catalog.pg_function_is_visible(p.oid)"
      : `p.pronamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = ${literal(schema)})`;
  const oids = (args ?? []).map(
    (type) => `pg_catalog.to_regtype(${literal(type)})::pg_catalog.oid`,
  );
  const isSame =
    oids.length === 0
      ? ""
      : ` and p.proargtypes::pg_catalog.text = pg_catalog.concat_ws(' ', ${oids.join(", ")})`;
  const types = args === undefined ? "" : ` and p.pronargs = ${integer(args.length)}${isSame}`;
  return `p.proname = ${literal(name.at(-1) ?? "")} and ${within}${types}`;
}

function nameLiteral(name: SqlName): string {
  return literal(name.map(identifier).join("."));
}
