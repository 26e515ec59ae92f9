import { integer, jsonLiteral } from "../../base/quote.ts";
import { transact } from "../../connection/ask.ts";
import type { MadeObject, RepeatableRow } from "../repeatable-types.ts";
import type { HeldRun } from "../run-types.ts";
import type { Tag } from "../types.ts";
import { locate } from "./locate.ts";
import type { ParsedRepeatable } from "./parse-repeatables.ts";

/** An object of the database that is to be dropped and made again, or that depends on one. */
export interface FoundObject {
  /** As `pg_identify_object` names its kind: `view`, `function`, `default value` … */
  readonly type: string;
  /** With its schema, as SQL. */
  readonly identity: string;
  /** For messages. */
  readonly description: string;
  /** Its number among those that were asked for; null of what depends on them. */
  readonly target: number | null;
  /** The repeatable that makes it, and which of its statements, from 0. */
  readonly maker: {
    readonly tag: Tag;
    readonly statement: number;
    /** An index that the server names. */
    readonly isUnnamed: boolean;
    /** Its text before made it, and its present text does not: it goes with what it stands on. */
    readonly isFormer: boolean;
  } | null;
  /** Of what stands on a table or a view: that, and its own name (a default's is the column's). */
  readonly table: string | null;
  readonly name: string | null;
  /** Of a trigger: as `pg_trigger.tgenabled`. */
  readonly enabled: string | null;
  /** Of a view: `reloptions`; of a routine: its settings. */
  readonly options: readonly string[] | null;
  /** A materialized view that has been filled. */
  readonly isFilled: boolean;
  readonly owner: string | null;
  /** Of relations and routines: `{role=r/owner,…}`. */
  readonly acl: string | null;
  readonly comment: string | null;
  readonly columns: readonly {
    readonly name: string;
    readonly acl: string | null;
    readonly comment: string | null;
  }[];
}

/**
 * Finds what depends on objects, and on that, in the order in which it can be dropped: each before what it needs.
 * The objects themselves are among them. Writes nothing.
 *
 * @throws ServerError, SessionLost
 */
export async function findDependents(
  run: HeldRun,
  targets: readonly MadeObject[],
  {
    all,
    rows: known,
  }: {
    readonly all: readonly ParsedRepeatable[];
    readonly rows: ReadonlyMap<Tag, Pick<RepeatableRow, "made">>;
  },
): Promise<readonly FoundObject[]> {
  const makers = all.flatMap(({ tag, makesBy }) => [
    ...(known.get(tag)?.made ?? [])
      .filter(({ kind }) => kind !== "relation" && kind !== "routine" && kind !== "policy")
      .map((made) => ({ made, tag, statement: -1 })),
    ...makesBy.flatMap((list, statement) => list.map((made) => ({ made, tag, statement }))),
  ]);
  const rows = [
    ...targets.map((made, target) =>
      locate(made, `null::jsonb as maker, ${integer(target)} as target`),
    ),
    ...makers.map(({ made, tag, statement }) =>
      locate(
        made,
        `${jsonLiteral({ tag, statement, isUnnamed: made.kind === "indexes", isFormer: statement < 0 })} as maker, null::integer as target`,
      ),
    ),
  ];
  const reply = await transact(
    run.session,
    "dependents",
    [
      // Names without a schema are the role's.
      "set local search_path to default",
      `select pg_catalog.set_config('tidemark.made', (select coalesce(pg_catalog.jsonb_agg(m), '[]')
from (${rows.join("\nunion all\n")}) m where m.objid is not null)::text, true)`,
      "set local search_path to pg_catalog, pg_temp",
      FIND,
    ],
    "rollback",
  );
  return reply.rows.flatMap((row) =>
    "tidemark_dependent" in row ? [row.tidemark_dependent as FoundObject] : [],
  );
}

// What goes with something else of the list by itself (a view's row type, its rule) is left out.
const FIND = `with recursive made as (
  select m.classid, m.objid, m.maker, m.target
  from jsonb_to_recordset(current_setting('tidemark.made')::jsonb) as m(classid oid, objid oid, maker jsonb, target integer)
), reached(classid, objid, depth) as (
  select m.classid, m.objid, 0 from made m where m.target is not null
  union
  select case when w.oid is null then d.classid else 'pg_class'::regclass::oid end,
    case when w.oid is null then d.objid else w.ev_class end, r.depth + 1
  from reached r
  join pg_depend d on d.refclassid = r.classid and d.refobjid = r.objid
  left join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid and w.rulename = '_RETURN'
  where r.depth < 64 and (d.classid, d.objid) <> (r.classid, r.objid)
    and (w.oid is null or w.ev_class <> r.objid)
), listed as (
  select r.classid, r.objid, max(r.depth) as depth,
    (select min(m.target) from made m where m.classid = r.classid and m.objid = r.objid) as target
  from reached r group by r.classid, r.objid
)
select jsonb_build_object(
  'type', i.type, 'identity', i.identity, 'description', pg_describe_object(l.classid, l.objid, 0),
  'target', l.target,
  'maker', (select m.maker from made m where m.classid = l.classid and m.objid = l.objid and m.maker is not null
    order by (m.maker->>'statement')::integer desc limit 1),
  'table', (pg_identify_object('pg_class'::regclass, coalesce(t.tgrelid, x.indrelid, a.adrelid, u.ev_class), 0)).identity,
  'name', coalesce(t.tgname, c.relname, (select f.attname from pg_attribute f where f.attrelid = a.adrelid and f.attnum = a.adnum)),
  'isFilled', coalesce(c.relkind = 'm' and c.relispopulated, false),
  'enabled', t.tgenabled, 'options', coalesce(to_jsonb(c.reloptions), to_jsonb(p.proconfig)),
  'owner', coalesce(c.relowner, p.proowner)::regrole::text,
  'acl', coalesce(c.relacl, p.proacl, acldefault(case when c.oid is null then 'f' else 'r' end::"char", coalesce(c.relowner, p.proowner)))::text,
  'comment', obj_description(l.objid, l.classid::regclass::name),
  'columns', coalesce((
    select jsonb_agg(jsonb_build_object('name', a.attname, 'acl', a.attacl::text, 'comment', col_description(a.attrelid, a.attnum)))
    from pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      and (a.attacl is not null or col_description(a.attrelid, a.attnum) is not null)), '[]')
) as tidemark_dependent
from listed l
cross join lateral pg_identify_object(l.classid, l.objid, 0) i
left join pg_class c on l.classid = 'pg_class'::regclass and c.oid = l.objid
left join pg_proc p on l.classid = 'pg_proc'::regclass and p.oid = l.objid
left join pg_trigger t on l.classid = 'pg_trigger'::regclass and t.oid = l.objid
left join pg_index x on x.indexrelid = c.oid
left join pg_rewrite u on l.classid = 'pg_rewrite'::regclass and u.oid = l.objid
left join pg_attrdef a on l.classid = 'pg_attrdef'::regclass and a.oid = l.objid
where i.schema is distinct from 'pg_toast' and (l.target is not null or not exists (
  select from pg_depend d join listed o on o.classid = d.refclassid and o.objid = d.refobjid
  where d.classid = l.classid and d.objid = l.objid and d.deptype = 'i'))
order by l.depth desc, i.identity`;
