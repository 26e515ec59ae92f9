import { identifier, literal } from "../../base/quote.ts";
import type { FoundObject } from "./dependents.ts";
import { blockOf, isRelation, isRoutine, KINDS, run } from "./remake.ts";

/**
 * Gives an object that was made again what the old one had: its owner, its grants, its comments, whether a trigger is
 * switched on.
 *
 * @param isSameText the file is as it was when it ran last: what others set since comes back as well
 */
export function restoreOf(found: FoundObject, isSameText: boolean): string | undefined {
  const { type, identity, owner, acl, comment, columns, options, isFilled } = found;
  if (type === "trigger") return blockOf([...restoreState(found), ...commentOn(type, found)]);
  if (!isRelation(type) && !isRoutine(type)) {
    const comments = type === "default value" ? [] : commentOn(KINDS[type] ?? type, found);
    return comments.length === 0 ? undefined : blockOf(comments);
  }
  // Its kind may be another now.
  const kind = isRelation(type) ? "table" : "routine";
  const commented = isRelation(type)
    ? `case (select o.relkind from pg_catalog.pg_class o where o.oid = ${literal(identity)}::pg_catalog.regclass) when 'm' then 'materialized view' when 'v' then 'view' else 'table' end`
    : literal("routine");
  const comments =
    comment === null
      ? []
      : [
          `execute pg_catalog.format('comment on %s %s is %L', ${commented}, ${literal(identity)}, ${literal(comment)});`,
        ];
  return blockOf([
    ...(owner === null ? [] : [restoreOwner(kind, identity, owner)]),
    ...(acl === null ? [] : [restoreAcl(kind, identity, acl)]),
    ...comments,
    ...columns.map((column) => ifColumn(identity, column)),
    ...(isSameText ? [restoreOptions(kind, identity, options ?? [])] : []),
    ...(isSameText && isFilled ? [refill(identity)] : []),
  ]);
}

function refill(identity: string): string {
  return `if exists (select from pg_catalog.pg_class c where c.oid = ${literal(identity)}::pg_catalog.regclass
    and c.relkind = 'm' and not c.relispopulated) then
    ${run(`refresh materialized view ${identity}`)}
  end if;`;
}

function commentOn(kind: string, { identity, comment }: FoundObject): readonly string[] {
  return comment === null ? [] : [run(`comment on ${kind} ${identity} is ${literal(comment)}`)];
}

const STATES: Readonly<Record<string, string>> = {
  O: "enable",
  D: "disable",
  R: "enable replica",
  A: "enable always",
};

function restoreState({ table, name, enabled }: FoundObject): readonly string[] {
  const state = STATES[enabled ?? ""];
  if (state === undefined || table === null || name === null) return [];
  return [
    `if exists (select from pg_catalog.pg_trigger t where t.tgrelid = ${literal(table)}::pg_catalog.regclass
    and t.tgname = ${literal(name)} and t.tgenabled <> ${literal(enabled)}) then
    ${run(`alter table ${table} ${state} trigger ${identifier(name)}`)}
  end if;`,
  ];
}

/** A view's options, or a routine's settings, all of them. */
function restoreOptions(
  kind: "table" | "routine",
  identity: string,
  options: readonly string[],
): string {
  const [catalog, column, look] =
    kind === "table"
      ? ["pg_class", "reloptions", "regclass"]
      : ["pg_proc", "proconfig", "regprocedure"];
  const parts = options.map((option) => {
    const [name = "", ...value] = option.split("=");
    return [name, value.join("=")] as const;
  });
  const set =
    kind === "table"
      ? parts.map(([name, value]) =>
          run(`alter table ${identity} set (${identifier(name)} = ${literal(value)})`),
        )
      : [
          run(`alter routine ${identity} reset all`),
          ...parts.map(([name, value]) =>
            run(
              `alter routine ${identity} set ${name} to ${LISTS.has(name) ? value : literal(value)}`,
            ),
          ),
        ];
  return `if (select coalesce(o.${column}, '{}') from pg_catalog.${catalog} o where o.oid = ${literal(identity)}::pg_catalog.${look})
      <> (array[${options.map(literal).join(", ")}]::pg_catalog.text[]) then
    ${set.join("\n    ")}
  end if;`;
}

/** Settings whose value is a list of names, kept as SQL. */
const LISTS: ReadonlySet<string> = new Set([
  "search_path",
  "temp_tablespaces",
  "local_preload_libraries",
  "session_preload_libraries",
]);

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
  return `select coalesce(o.${column}, pg_catalog.acldefault('${letter}', o.${owner})) into now
  from pg_catalog.${catalog} o where o.oid = ${literal(identity)}::pg_catalog.${look};
  if now::pg_catalog.text <> ${literal(acl)} then
    for given in select distinct a.grantee from ${exploded("now")} a loop
      execute pg_catalog.format('revoke all on ${kind} %s from %s', ${literal(identity)},
        case given.grantee when 0 then 'public' else given.grantee::pg_catalog.regrole::pg_catalog.text end);
    end loop;
    for given in select a.* from ${exploded(`${literal(acl)}::pg_catalog.aclitem[]`)} a loop
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
      : `for given in select a.* from ${exploded(`${literal(acl)}::pg_catalog.aclitem[]`)} a loop
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

/** The entries of an access list; an empty one is no list for PostgreSQL. */
function exploded(acl: string): string {
  return `pg_catalog.aclexplode(nullif(${acl}, '{}'))`;
}
