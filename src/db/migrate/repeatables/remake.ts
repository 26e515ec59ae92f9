import { identifier, integer, literal } from "../../base/quote.ts";
import type { FoundObject } from "./dependents.ts";

/** SQLSTATE of our own: what was dropped is not there again. */
export const NOT_REMADE = "TM003";

/** Kinds that can be dropped, because a repeatable makes them again; each as SQL names it. */
export const KINDS: Readonly<Record<string, string>> = {
  view: "view",
  "materialized view": "materialized view",
  function: "function",
  procedure: "procedure",
  trigger: "trigger",
  policy: "policy",
  index: "index",
  rule: "rule",
  "default value": "column",
};

export function canBeRemade({ type }: FoundObject): boolean {
  return type in KINDS;
}

/** Drops one, and nothing that depends on it. */
export function dropOf({ type, identity, table, name }: FoundObject): string {
  if (type === "default value") {
    return `alter table ${table} alter column ${identifier(name ?? "")} drop default`;
  }
  return `drop ${KINDS[type]} ${identity}`;
}

export function isRelation(type: string): boolean {
  return type === "view" || type === "materialized view";
}

export function isRoutine(type: string): boolean {
  return type === "function" || type === "procedure";
}

/** Raises where one of the objects is not there again, or not as many indexes whose names are the server's. */
export function refuseMissing(dropped: readonly FoundObject[]): string {
  const expected = dropped.filter(({ maker }) => maker?.isFormer !== true);
  return blockOf(
    expected.map(
      (found) => `if not (${existsSql(found, expected)}) then
    raise exception '%', ${literal(`${found.description} was dropped to be made again, and no repeatable made it`)} using errcode = ${literal(NOT_REMADE)};
  end if;`,
    ),
  );
}

function existsSql(
  { type, identity, table, name, maker }: FoundObject,
  dropped: readonly FoundObject[],
): string {
  if (isRoutine(type)) {
    return `pg_catalog.to_regprocedure(${literal(identity)}) is not null`;
  }
  if (type === "default value") {
    return `exists (select from pg_catalog.pg_attribute x where x.attrelid = pg_catalog.to_regclass(${literal(table)}) and x.attname = ${literal(name)} and x.atthasdef)`;
  }
  const catalog = ON_TABLES[type];
  if (catalog !== undefined) {
    return `exists (select from pg_catalog.${catalog.name} x where pg_catalog.format('%I on %s', x.${catalog.own},
      (pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, x.${catalog.table}, 0)).identity) = ${literal(identity)})`;
  }
  if (maker?.isUnnamed === true) {
    const { length } = dropped.filter((one) => one.type === "index" && one.table === table);
    return `(select count(*) from pg_catalog.pg_index x where x.indrelid = pg_catalog.to_regclass(${literal(table)})) >= ${integer(length)}`;
  }
  return `pg_catalog.to_regclass(${literal(identity)}) is not null`;
}

const ON_TABLES: Readonly<Record<string, Readonly<Record<"name" | "own" | "table", string>>>> = {
  trigger: { name: "pg_trigger", own: "tgname", table: "tgrelid" },
  policy: { name: "pg_policy", own: "polname", table: "polrelid" },
  rule: { name: "pg_rewrite", own: "rulename", table: "ev_class" },
};

export function run(statement: string): string {
  return `execute ${literal(statement)};`;
}

export function blockOf(parts: readonly string[]): string {
  return `do ${literal(`declare
  now pg_catalog.aclitem[];
  given record;
begin
  ${parts.join("\n  ")}
end`)}`;
}
