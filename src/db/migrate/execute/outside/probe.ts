import type { ScanToken } from "libpg-query";
import { identifier, literal } from "../../../base/quote.ts";
import { columnOf, transact } from "../../../connection/ask.ts";
import { isServerError } from "../../../connection/session.ts";
import type { ObjectState, OutsideAction, ReindexScope } from "../../ledger-types.ts";
import { loadParser } from "../../sql/grammar.ts";
import { NO_SETTINGS } from "../../sql/made-settings.ts";
import type { Statement } from "../../sql/statements.ts";
import type { Execution, OutsidePart, Part } from "../execution.ts";

/** Column of the state that a look at the catalog found, or of the definition tried out. */
const STATE = "tidemark_state";

/**
 * What the catalog says of a statement's object now, by the names and settings of the file.
 *
 * @throws ServerError where the file's settings or the role's rights do not let it look; SessionLost
 */
export async function stateNow(
  execution: Execution,
  part: Part,
  action: OutsideAction,
): Promise<ObjectState> {
  const state = stateOf(action);
  if (state === undefined) return { kind: action.kind } as ObjectState;
  const [first = null, second = null] = namesOf(action);
  return (await look(execution, "object", part, [
    // Names mean what they mean to the file; the catalog is read by names that no other role can plant.
    `select ${resolved("first", first)}, ${resolved("second", second)}`,
    "set local search_path to pg_catalog, pg_temp",
    state,
  ])) as ObjectState;
}

/** The same before the statement: with the definition that the catalog is to show afterwards. */
export async function stateBefore(execution: Execution, part: OutsidePart): Promise<ObjectState> {
  const { action } = part.outside;
  const state = await stateNow(execution, part, action);
  if (action.kind !== "create-index" || state.kind !== "create-index") return state;
  if (state.table === null || state.partitioned) return state;
  const { scan } = await loadParser();
  const definition = definitionToTry(part.placed.statement, scan);
  if (definition === undefined) return state;
  try {
    const wanted = await look(execution, "definition", part, tryDefinition(action, definition));
    return { ...state, wanted: wanted as string };
  } catch (error) {
    // Without the right to make a temporary table, the statement itself will tell.
    if (!isServerError(error)) throw error;
    return state;
  }
}

/** Looks as the file would, and changes nothing. Behind a pooler its settings do not hold here. */
async function look(
  { session, lease }: Execution,
  name: "object" | "definition",
  part: Part,
  statements: readonly string[],
): Promise<unknown> {
  const settings = lease.direct ? part.settings : NO_SETTINGS;
  const asTheFile = settings.session.map(({ text }) => `${text}\n`);
  const all = ["set local search_path to default", ...asTheFile, ...statements];
  return columnOf(await transact(session, name, all, "rollback"), STATE) ?? null;
}

/**
 * Tries a concurrent index out on an empty copy of its table, to learn how the catalog
 * would write its definition.
 *
 * @param definition `CREATE INDEX` without `CONCURRENTLY`, and the copy's name where the table's was
 */
function tryDefinition(
  action: Extract<OutsideAction, { kind: "create-index" }>,
  { relation, sql }: IndexDefinition,
): readonly string[] {
  return [
    `create temporary table ${relation} (like ${action.table})`,
    sql,
    "set local search_path to pg_catalog, pg_temp",
    `select ${definitionOf("i.indexrelid")} as ${STATE}
from pg_index i where i.indexrelid = to_regclass(${literal(`pg_temp.${identifier(action.name)}`)})`,
  ];
}

/** A concurrent index, to be tried out on an empty copy of its table. */
interface IndexDefinition {
  /** The copy's name as SQL: the table's, without its schema. */
  readonly relation: string;
  /** `CREATE INDEX` on the copy, without `CONCURRENTLY`. */
  readonly sql: string;
}

/**
 * Rewrites `CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] name ON [ONLY] table …` for a temporary
 * table of the same name. Undefined where the words do not come in that order.
 */
function definitionToTry(
  { text, tree }: Statement,
  scan: (sql: string) => readonly ScanToken[],
): IndexDefinition | undefined {
  if (!("IndexStmt" in tree)) return undefined;
  const { idxname, relation, unique } = tree.IndexStmt;
  if (idxname === undefined || relation?.relname === undefined) return undefined;
  const words = scan(text).filter(({ tokenName }) => !tokenName.endsWith("_COMMENT"));
  let at = 0;
  const take = (word: string): boolean => {
    if (words[at]?.text.toLowerCase() !== word) return false;
    at += 1;
    return true;
  };
  if (!take("create")) return undefined;
  take("unique");
  if (!take("index") || !take("concurrently")) return undefined;
  if (take("if") && !(take("not") && take("exists"))) return undefined;
  at += 1;
  if (!take("on")) return undefined;
  take("only");
  at += 1;
  while (take(".")) at += 1;
  const end = words[at - 1]?.end;
  if (end === undefined) return undefined;
  const rest = Buffer.from(text).toString("utf8", end);
  const copy = identifier(relation.relname);
  const kind = unique ? "create unique index" : "create index";
  return { relation: copy, sql: `${kind} ${identifier(idxname)} on pg_temp.${copy}${rest}\n` };
}

function resolved(variable: string, name: string | null): string {
  const value =
    name === null
      ? "''"
      : `pg_catalog.to_regclass(${literal(name)})::pg_catalog.oid::pg_catalog.text`;
  return `pg_catalog.set_config('tidemark.${variable}', ${value}, true)`;
}

function relation(variable: "first" | "second"): string {
  return `nullif(current_setting('tidemark.${variable}'), '')::oid`;
}

function namesOf(action: OutsideAction): readonly (string | null)[] {
  switch (action.kind) {
    case "create-index":
      return [action.table];
    case "drop-index":
      return [action.index];
    case "reindex":
      return action.scope === "index" || action.scope === "table" ? [action.name] : [];
    case "detach":
      return [action.partition, action.table];
    case "repeatable":
    case "opaque":
      return [];
  }
}

function stateOf(action: OutsideAction): string | undefined {
  switch (action.kind) {
    case "create-index":
      return `select jsonb_build_object(
  'kind', 'create-index', 'table', t.oid::bigint, 'partitioned', coalesce(t.relkind = 'p', false),
  'wanted', null, 'found', (${foundIndex(`c.relname = ${literal(action.name)} and c.relnamespace = t.relnamespace`)})
) as ${STATE}
from (select ${relation("first")} as oid) given left join pg_class t on t.oid = given.oid`;
    case "drop-index":
      return `select jsonb_build_object(
  'kind', 'drop-index', 'found', (${foundIndex(`c.oid = ${relation("first")}`)})
) as ${STATE}`;
    case "reindex":
      return `select jsonb_build_object('kind', 'reindex', 'leftovers', coalesce(jsonb_agg(
  jsonb_build_object('oid', c.oid::bigint, 'name', format('%I.%I', n.nspname, c.relname)) order by c.oid
), '[]')) as ${STATE}
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_namespace n on n.oid = c.relnamespace
where not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$'${inScope(action.scope, action.name)}`;
    case "detach":
      return `select jsonb_build_object('kind', 'detach', 'attached', coalesce((
  select case when h.inhdetachpending then 'pending' else 'yes' end
  from pg_inherits h where h.inhrelid = ${relation("first")} and h.inhparent = ${relation("second")}
), 'no')) as ${STATE}`;
    case "repeatable":
    case "opaque":
      return undefined;
  }
}

function foundIndex(condition: string): string {
  return `select jsonb_build_object(
    'oid', c.oid::bigint, 'name', format('%I.%I', n.nspname, c.relname), 'relkind', c.relkind, 'table', i.indrelid::bigint,
    'valid', coalesce(i.indisvalid and i.indisready and i.indislive, false),
    'definition', ${definitionOf("c.oid")})
  from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_index i on i.indexrelid = c.oid
  where ${condition}`;
}

/**
 * The table's schema is left out there, and nowhere else: the copy of a table has another one, which PostgreSQL 14
 * calls by its own name.
 */
function definitionOf(index: string): string {
  return `(select case when starts_with(g.sql, g.head || g.schema) then g.head || substr(g.sql, length(g.head || g.schema) + 1) else g.sql end
    from pg_index d join pg_class x on x.oid = d.indexrelid
    join pg_class t on t.oid = d.indrelid join pg_namespace n on n.oid = t.relnamespace,
    lateral (select pg_get_indexdef(x.oid) as sql,
      format('CREATE %sINDEX %I ON ', case when d.indisunique then 'UNIQUE ' end, x.relname) as head,
      format('%I.', case when n.oid = pg_my_temp_schema() and current_setting('server_version_num')::int >= 150000 then 'pg_temp' else n.nspname end) as schema) g
    where d.indexrelid = ${index})`;
}

/** Interrupted rebuilds of others are theirs. */
function inScope(scope: ReindexScope, name: string | null): string {
  const oid = relation("first");
  const tree = `(select ${oid} union select p.relid::oid from pg_partition_tree(${oid}) p)`;
  switch (scope) {
    case "index":
      return ` and i.indrelid in (select x.indrelid from pg_index x where x.indexrelid in ${tree})`;
    case "table":
      return ` and i.indrelid in (
  select t.oid from pg_class t where t.oid in ${tree}
  union select t.reltoastrelid from pg_class t where t.oid in ${tree})`;
    case "schema":
      return ` and i.indrelid in (
  select t.oid from pg_class t join pg_namespace s on s.oid = t.relnamespace where s.nspname = ${literal(name)}
  union select t.reltoastrelid from pg_class t join pg_namespace s on s.oid = t.relnamespace where s.nspname = ${literal(name)})`;
    case "database":
      return "";
  }
}
