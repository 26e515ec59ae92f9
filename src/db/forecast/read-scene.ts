import { ask } from "../connection/ask.ts";
import { isServerError, type Session } from "../connection/session.ts";
import { loadParser } from "../migrate/index.ts";
import { Scene, type SceneTable, type TableKind } from "../sql-tree/locks/scene.ts";

/** How long a look of ours waits for a lock that somebody else holds, before it does without. */
export const PATIENCE = "500ms";

/** Bounds of a message that only looks, and runs on a standby too: each is a transaction of its own. */
export const LOOKS = `select pg_catalog.set_config('lock_timeout', '${PATIENCE}', true),
  pg_catalog.set_config('statement_timeout', '30s', true),
  pg_catalog.set_config('jit', 'off', true),
  pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)`;

interface FoundTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: string;
  readonly columns: readonly (readonly [string, string, string, boolean, boolean])[] | null;
  readonly constraints: readonly FoundConstraint[] | null;
  readonly indexes:
    | readonly {
        readonly name: string;
        readonly columns: readonly string[];
        readonly isComputed: boolean;
      }[]
    | null;
  readonly parents: readonly number[] | null;
  readonly isDefault: boolean;
  readonly isUnlogged: boolean;
  readonly reads: readonly (readonly [number, readonly string[]])[] | null;
}

interface FoundConstraint {
  readonly name: string;
  readonly type: string;
  readonly isValid: boolean;
  readonly columns: readonly string[] | null;
  readonly to: number;
  readonly isInherited: boolean;
  readonly check: string | null;
}

interface FoundFacts {
  readonly searchPath: readonly string[];
  readonly timeZone: string;
  readonly volatile: readonly string[];
  readonly casts: readonly string[];
  readonly domains: readonly string[];
}

/** What the locks of statements depend on, as it is in the database now. Waits for no lock. */
export async function readScene(session: Session): Promise<Scene> {
  const found = await read(session, true).catch((error: unknown) => {
    // Printing an expression locks its table for a moment: a table that somebody holds is read without.
    if (isServerError(error) && error.code === "55P03") return read(session, false);
    throw error;
  });
  const { facts, tables } = found;
  const scene = new Scene({
    serverVersion: session.serverVersion,
    searchPath: facts.searchPath,
    volatileFunctions: new Set(facts.volatile),
    binaryCasts: new Set(facts.casts),
    constrainedDomains: new Set(facts.domains),
    isUtc: UTC.has(facts.timeZone),
  });
  const { parse } = await loadParser();
  const expressionOf = (check: string | null) => {
    const stmt = check === null ? undefined : parse(`select ${check}`).stmts?.[0]?.stmt;
    const [target] = (stmt && "SelectStmt" in stmt && stmt.SelectStmt.targetList) || [];
    return target && "ResTarget" in target ? target.ResTarget.val : undefined;
  };
  const byOid = new Map<number, SceneTable>();
  for (const { oid, schema, name, kind, isDefault, isUnlogged } of tables) {
    const isDefaultPartition = isDefault;
    byOid.set(
      oid,
      scene.add({
        oid,
        schema,
        name,
        kind: KINDS[kind] ?? "table",
        isDefaultPartition,
        isUnlogged,
      }),
    );
  }
  const each = (oids: readonly number[] | null, use: (table: SceneTable) => void) => {
    for (const oid of oids ?? []) {
      const table = byOid.get(oid);
      if (table !== undefined) use(table);
    }
  };
  for (const one of tables) {
    const table = byOid.get(one.oid);
    if (table === undefined) continue;
    for (const [name, typeName, whole, notNull, isCollated] of one.columns ?? []) {
      const type = { name: typeName, modifiers: modifiersOf(whole) };
      table.columns.set(name, { type, notNull, isCollated });
    }
    for (const { name, columns, isComputed } of one.indexes ?? []) {
      table.indexes.set(name, columns);
      if (isComputed) table.computed.add(name);
    }
    for (const { name, type, isValid, columns, to, check, isInherited } of one.constraints ?? []) {
      if (type === "c") table.checks.set(name, { isValid, expression: expressionOf(check) });
      else if (type !== "f") table.keys.set(name, columns ?? []);
      else
        each([to], (other) =>
          table.foreignKeys.set(name, { columns: columns ?? [], to: other, isInherited }),
        );
    }
    each(one.parents, (parent) => table.parents.add(parent));
    for (const [oid, columns] of one.reads ?? []) {
      each([oid], (other) => table.reads.set(other, new Set(columns)));
    }
  }
  return scene;
}

const KINDS: Readonly<Record<string, TableKind>> = {
  r: "table",
  p: "partitioned",
  v: "view",
  m: "matview",
  f: "foreign",
};

const UTC: ReadonlySet<string> = new Set([
  "UTC",
  "GMT",
  "Etc/UTC",
  "Etc/GMT",
  "UCT",
  "Zulu",
  "Universal",
]);

/** Of `numeric(10,2)`: [10, 2]. */
function modifiersOf(type: string): readonly number[] {
  return /\(([\d,]+)\)/.exec(type)?.[1]?.split(",").map(Number) ?? [];
}

async function read(session: Session, withChecks: boolean) {
  const reply = await ask(
    session,
    "forecast",
    `select pg_catalog.to_jsonb(pg_catalog.current_schemas(false)) as tidemark_path;\n${LOOKS};\n${FACTS};\n${tablesSql(withChecks)}`,
  );
  const all = <T>(column: string) =>
    reply.rows.flatMap((row) => (column in row ? [row[column] as T] : []));
  const [searchPath = []] = all<readonly string[]>("tidemark_path");
  const [facts] = all<Omit<FoundFacts, "searchPath">>("tidemark_facts");
  if (facts === undefined) throw new TypeError("the server answered without its facts");
  return { facts: { ...facts, searchPath }, tables: all<FoundTable>("tidemark_table") };
}

const FACTS = `select jsonb_build_object(
  'timeZone', current_setting('TimeZone'),
  'volatile', (select jsonb_agg(distinct p.proname) from pg_proc p where p.provolatile = 'v' and p.prokind = 'f'),
  'casts', (select jsonb_agg(s.typname || '>' || t.typname) from pg_cast k
    join pg_type s on s.oid = k.castsource join pg_type t on t.oid = k.casttarget where k.castmethod = 'b'),
  'domains', (with recursive d as (
      select t.oid, t.typname from pg_type t where t.typtype = 'd'
        and (t.typnotnull or t.typdefault is not null or exists (select from pg_constraint o where o.contypid = t.oid))
      union select t.oid, t.typname from pg_type t join d on t.typbasetype = d.oid where t.typtype = 'd')
    select coalesce(jsonb_agg(d.typname), '[]') from d)
) as tidemark_facts`;

function tablesSql(withChecks: boolean): string {
  const check = withChecks
    ? "case when o.contype = 'c' then pg_get_expr(o.conbin, o.conrelid) end"
    : "null";
  return `select jsonb_build_object(
  'oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind,
  'columns', (select jsonb_agg(jsonb_build_array(a.attname, t.typname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
      a.attcollation <> t.typcollation))
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
  'constraints', (select jsonb_agg(jsonb_build_object('name', o.conname, 'type', o.contype,
      'isValid', o.convalidated, 'to', o.confrelid::bigint, 'isInherited', o.conparentid <> 0, 'columns', (select jsonb_agg(a.attname)
        from pg_attribute a where a.attrelid = o.conrelid and a.attnum = any (o.conkey)), 'check', ${check}))
    from pg_constraint o where o.conrelid = c.oid and o.contype in ('c', 'f', 'p', 'u', 'x')),
  'indexes', (select jsonb_agg(jsonb_build_object('name', x.relname,
      'isComputed', i.indexprs is not null or i.indpred is not null,
      'columns', coalesce((select jsonb_agg(a.attname) from pg_attribute a where a.attrelid = c.oid and (a.attnum = any (i.indkey)
        or a.attnum in (select d.refobjsubid from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = x.oid
          and d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.refobjsubid > 0))), '[]')))
    from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid = c.oid),
  'parents', (select jsonb_agg(h.inhparent::bigint) from pg_inherits h where h.inhrelid = c.oid),
  'isUnlogged', c.relpersistence = 'u', 'isDefault', exists (select from pg_partitioned_table p where p.partdefid = c.oid),
  'reads', (select jsonb_agg(jsonb_build_array(u.refobjid, u.columns)) from (
      select d.refobjid::bigint, coalesce(jsonb_agg(distinct a.attname) filter (where a.attname is not null), '[]') as columns
      from pg_rewrite r join pg_depend d
        on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
      left join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid and d.refobjsubid > 0
      where c.relkind in ('v', 'm') and r.ev_class = c.oid and d.refobjid <> c.oid
      group by d.refobjid) u)
) as tidemark_table
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname !~ '^pg_(toast|temp)'`;
}
