import { identifier, literal } from "../../base/quote.ts";
import type { FoundObject } from "./dependents.ts";

/** SQLSTATE of our own: what was dropped is not there again. */
export const NOT_REMADE = "TM003";

/** Kinds that can be dropped, because a repeatable makes them again; each as SQL names it. */
const KINDS: Readonly<Record<string, string>> = {
  view: "view",
  "materialized view": "materialized view",
  function: "function",
  procedure: "procedure",
  trigger: "trigger",
  policy: "policy",
  index: "index",
};

export function canBeRemade({ type }: FoundObject): boolean {
  return type in KINDS;
}

/** Drops one, and nothing that depends on it. */
export function dropOf({ type, identity }: FoundObject): string {
  return `drop ${KINDS[type]} ${identity}`;
}

/** Gives an object that was made again what the old one had: its owner, its grants, its comments. */
export function restoreOf(found: FoundObject): string | undefined {
  const { type, identity, owner, acl, comment, columns } = found;
  const kind = KINDS[type];
  const isRelation = type === "view" || type === "materialized view";
  const isRoutine = type === "function" || type === "procedure";
  const comments =
    comment === null ? [] : [`comment on ${kind} ${identity} is ${literal(comment)}`];
  if (!isRelation && !isRoutine) {
    return comments.length === 0 ? undefined : blockOf(comments.map(run));
  }
  const parts = [
    ...(owner === null ? [] : [restoreOwner(kind ?? type, identity, owner)]),
    ...(acl === null ? [] : [restoreAcl(isRelation ? "table" : type, identity, acl)]),
    ...comments.map(run),
    ...columns.map((column) => ifColumn(identity, column)),
  ];
  return blockOf(parts);
}

/** Raises where one of the objects is not there again. */
export function refuseMissing(dropped: readonly FoundObject[]): string {
  return blockOf(
    dropped.map(
      ({ identity, description, ...found }) => `if not (${existsSql({ ...found, identity })}) then
    raise exception '%', ${literal(`${description} was dropped to be made again, and no repeatable made it`)} using errcode = ${literal(NOT_REMADE)};
  end if;`,
    ),
  );
}

function existsSql({ type, identity }: Pick<FoundObject, "type" | "identity">): string {
  if (type === "function" || type === "procedure") {
    return `pg_catalog.to_regprocedure(${literal(identity)}) is not null`;
  }
  if (type === "trigger" || type === "policy") {
    const [table, name] = type === "trigger" ? ["tgrelid", "tgname"] : ["polrelid", "polname"];
    return `exists (select from pg_catalog.pg_${type} x where pg_catalog.format('%I on %s', x.${name},
      (pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, x.${table}, 0)).identity) = ${literal(identity)})`;
  }
  return `pg_catalog.to_regclass(${literal(identity)}) is not null`;
}

function restoreOwner(kind: string, identity: string, owner: string): string {
  // To somebody else's name only who may act as them can give it: where it is ours already, nothing is asked.
  return `if ${literal(owner)} <> pg_catalog.quote_ident(current_user) then
    ${run(`alter ${kind} ${identity} owner to ${owner}`)}
  end if;`;
}

/** As `aclitem[]`; what default privileges have given the new one, and the old one did not have, is taken back. */
function restoreAcl(kind: string, identity: string, acl: string): string {
  const [catalog, column, owner, letter, look] =
    kind === "table"
      ? ["pg_class", "relacl", "relowner", "r", "regclass"]
      : ["pg_proc", "proacl", "proowner", "f", "regprocedure"];
  return `select coalesce(o.${column}, pg_catalog.acldefault('${letter}', o.${owner})), o.${owner} into now, owner_id
  from pg_catalog.${catalog} o where o.oid = ${literal(identity)}::pg_catalog.${look};
  if now::pg_catalog.text <> ${literal(acl)} then
    for given in select distinct a.grantee from pg_catalog.aclexplode(now) a where a.grantee <> owner_id loop
      execute pg_catalog.format('revoke all on ${kind} %s from %s', ${literal(identity)},
        case given.grantee when 0 then 'public' else given.grantee::pg_catalog.regrole::pg_catalog.text end);
    end loop;
    for given in select a.* from pg_catalog.aclexplode(${literal(acl)}::pg_catalog.aclitem[]) a where a.grantee <> owner_id loop
      execute pg_catalog.format('grant %s on ${kind} %s to %s%s', given.privilege_type, ${literal(identity)},
        case given.grantee when 0 then 'public' else given.grantee::pg_catalog.regrole::pg_catalog.text end,
        case when given.is_grantable then ' with grant option' else '' end);
    end loop;
  end if;`;
}

/** A column's grants and comment, where the new one has that column too. */
function ifColumn(
  identity: string,
  { name, acl, comment }: FoundObject["columns"][number],
): string {
  const column = identifier(name);
  const grants =
    acl === null
      ? ""
      : `for given in select a.* from pg_catalog.aclexplode(${literal(acl)}::pg_catalog.aclitem[]) a loop
      execute pg_catalog.format('grant %s (%s) on table %s to %s%s', given.privilege_type, ${literal(column)}, ${literal(identity)},
        case given.grantee when 0 then 'public' else given.grantee::pg_catalog.regrole::pg_catalog.text end,
        case when given.is_grantable then ' with grant option' else '' end);
    end loop;`;
  const text =
    comment === null ? "" : run(`comment on column ${identity}.${column} is ${literal(comment)}`);
  return `if exists (select from pg_catalog.pg_attribute a where a.attrelid = ${literal(identity)}::pg_catalog.regclass
    and a.attname = ${literal(name)} and not a.attisdropped) then
    ${grants}
    ${text}
  end if;`;
}

function run(statement: string): string {
  return `execute ${literal(statement)};`;
}

function blockOf(parts: readonly string[]): string {
  return `do ${literal(`declare
  now pg_catalog.aclitem[];
  owner_id pg_catalog.oid;
  given record;
begin
  ${parts.join("\n  ")}
end`)}`;
}
