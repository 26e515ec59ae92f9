import { identifier, integer, literal } from "../../base/quote.ts";
import type { ArgumentType, MadeObject, SqlName } from "../repeatable-types.ts";

/**
 * A query for where an object is in the catalog: `classid`, `objid`, no row or null where there is none.
 *
 * @param rest more columns
 */
export function locate(made: MadeObject, rest: string): string {
  const row = (catalog: string, objid: string) =>
    `select 'pg_catalog.${catalog}'::pg_catalog.regclass::pg_catalog.oid as classid, ${objid} as objid, ${rest}\nfrom`;
  if (made.kind === "relation") {
    const { name, form, within } = made;
    const kinds = form === undefined ? "" : ` and c.relkind in (${FORMS[form]})`;
    return `${row("pg_class", "c.oid")} pg_catalog.pg_class c where c.oid = ${relationOid(name, within)}${kinds}`;
  }
  if (made.kind === "routine") {
    return `${row("pg_proc", "p.oid")} pg_catalog.pg_proc p where ${routineIs(made)}`;
  }
  const table = relationOid(made.table, made.within);
  switch (made.kind) {
    case "indexes":
      // As PostgreSQL names those for which the statement has none.
      return `${row("pg_class", "i.indexrelid")} pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
where i.indrelid = ${table} and c.relname ~ '_idx[0-9]*$'`;
    case "index":
      return `${row("pg_class", "i.indexrelid")} pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
where i.indrelid = ${table} and c.relname = ${literal(made.name)}`;
    case "trigger":
      return `${row("pg_trigger", "t.oid")} pg_catalog.pg_trigger t where t.tgname = ${literal(made.name)} and t.tgrelid = ${table}`;
    case "policy":
      return `${row("pg_policy", "p.oid")} pg_catalog.pg_policy p where p.polname = ${literal(made.name)} and p.polrelid = ${table}`;
    case "rule":
      return `${row("pg_rewrite", "w.oid")} pg_catalog.pg_rewrite w where w.rulename = ${literal(made.name)} and w.ev_class = ${table}`;
    case "default":
      // A view's: those of tables are never dropped.
      return `${row("pg_attrdef", "d.oid")} pg_catalog.pg_attrdef d join pg_catalog.pg_class c on c.oid = d.adrelid and c.relkind = 'v'
join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
where d.adrelid = ${table} and a.attname = ${literal(made.name)}`;
  }
}

const FORMS = { view: "'v', 'm'", table: "'r', 'p', 'f'" } as const;

/** The first on the path; null where there is none. */
function relationOid(name: SqlName, within: readonly string[] = []): string {
  const names = name.length > 1 || within.length === 0 ? [name] : within.map((s) => [s, ...name]);
  return `coalesce(${names.map((one) => `pg_catalog.to_regclass(${nameLiteral(one)})::pg_catalog.oid`).join(", ")})`;
}

function routineIs({ name, args, within = [] }: MadeObject & { readonly kind: "routine" }): string {
  const schemas = name.length > 1 ? name.slice(-2, -1) : within;
  const isThere =
    schemas.length === 0
      ? "pg_catalog.pg_function_is_visible(p.oid)"
      : `p.pronamespace in (select n.oid from pg_catalog.pg_namespace n where n.nspname in (${schemas.map(literal).join(", ")}))`;
  const oids = (args ?? []).map((type) => typeOid(type, within));
  const isSame =
    oids.length === 0
      ? ""
      : ` and p.proargtypes::pg_catalog.text = pg_catalog.concat_ws(' ', ${oids.join(", ")})`;
  const types = args === undefined ? "" : ` and p.pronargs = ${integer(args.length)}${isSame}`;
  return `p.proname = ${literal(name.at(-1) ?? "")} and ${isThere}${types}`;
}

function typeOid(type: ArgumentType, within: readonly string[]): string {
  if (typeof type !== "string") {
    const { column } = type;
    return `(select a.atttypid from pg_catalog.pg_attribute a where a.attrelid = ${relationOid(column.slice(0, -1), within)}
and a.attname = ${literal(column.at(-1) ?? "")} and not a.attisdropped)`;
  }
  const inPath = (WITHOUT_SCHEMA.test(type) ? within : []).map(
    (schema) => `${identifier(schema)}.${type}`,
  );
  const names = [...inPath, type].map((one) => `pg_catalog.to_regtype(${literal(one)})`);
  return `coalesce(${names.join(", ")})::pg_catalog.oid`;
}

const WITHOUT_SCHEMA = /^(?:"(?:[^"]|"")+"|[^".[]+)(?:\[\])?$/;

function nameLiteral(name: SqlName): string {
  return literal(name.map(identifier).join("."));
}
