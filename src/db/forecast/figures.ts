import { pause } from "../base/backoff.ts";
import { identifier, integer } from "../base/quote.ts";
import { ask, columnOf } from "../connection/ask.ts";
import { isServerError, type Session } from "../connection/session.ts";
import type { SceneTable } from "../sql-tree/locks/scene.ts";
import { LOOKS } from "./read-scene.ts";

/** How big a table is, and how busy. */
export interface Figures {
  /** Null where the server has no estimate and the role may not count. */
  readonly rows: number | null;
  /** Counted; otherwise the server's estimate. */
  readonly isExact: boolean;
  /** With indexes and TOAST, partitions included. */
  readonly bytes: number;
  /** Another session holds the table: its size is that at its last VACUUM or ANALYZE, without indexes. */
  readonly isBytesEstimated: boolean;
  /** Rows inserted, updated and deleted a second, within `sampleMs`; null where nothing is counted. */
  readonly writesPerSecond: number | null;
}

/** Tables up to this size are counted. */
const COUNTED_BYTES = 8 * 1024 * 1024;

/**
 * Reads how big and how busy tables are. Waits for no lock, and counts only what is small.
 *
 * @param sampleMs between the two looks that give the writes a second
 */
export async function readFigures(
  session: Session,
  tables: readonly (SceneTable & { readonly oid: number })[],
  sampleMs: number,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<number, Figures>> {
  const oids = tables.map(({ oid }) => oid);
  const before = await readWrites(session, oids);
  const startedAt = performance.now();
  const found = new Map<number, Omit<Figures, "writesPerSecond">>();
  for (const table of tables) found.set(table.oid, await readSize(session, table));
  await pause(Math.max(0, sampleMs - (performance.now() - startedAt)), signal);
  const after = await readWrites(session, oids);
  const seconds = (performance.now() - startedAt) / 1000;
  return new Map(
    [...found].map(([oid, size]) => {
      const [first, second] = [before.get(oid), after.get(oid)];
      const isCounted = typeof first === "number" && typeof second === "number";
      const writes = isCounted ? Math.max(0, second - first) / seconds : null;
      const writesPerSecond = writes === null ? null : Math.round(writes * 10) / 10;
      return [oid, { ...size, writesPerSecond }];
    }),
  );
}

/** Its partitions' too: of a partitioned table nothing is counted itself. */
async function readWrites(
  session: Session,
  oids: readonly number[],
): Promise<ReadonlyMap<number, number | null>> {
  const reply = await ask(
    session,
    "forecast",
    `${LOOKS};
select jsonb_build_array(o.oid::bigint, (select sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del)
  from pg_stat_user_tables s where s.relid = o.oid or s.relid in (select t.relid from pg_partition_tree(o.oid) t)
)) as tidemark_writes
from unnest(array[${oids.map(integer).join(", ")}]::oid[]) o (oid)`,
  );
  return new Map(
    reply.rows.flatMap((row) =>
      "tidemark_writes" in row ? [row.tidemark_writes as [number, number | null]] : [],
    ),
  );
}

async function readSize(
  session: Session,
  table: SceneTable & { readonly oid: number },
): Promise<Omit<Figures, "writesPerSecond">> {
  const { oid } = table;
  const family = `(select ${integer(oid)}::oid as oid union select t.relid from pg_partition_tree(${integer(oid)}) t)`;
  const estimate = await ask(
    session,
    "forecast",
    `${LOOKS};
select jsonb_build_object('rows', sum(c.reltuples) filter (where c.reltuples >= 0 and c.relkind in ('r', 'm', 'f')),
  'unknown', coalesce(bool_or(c.reltuples < 0 and c.relkind in ('r', 'm')), false),
  'bytes', sum(c.relpages::bigint) * current_setting('block_size')::int,
  'mayRead', has_table_privilege(${integer(oid)}::oid, 'select') and not row_security_active(${integer(oid)}::oid)
) as tidemark_estimate from pg_class c join ${family} f on f.oid = c.oid`,
  );
  const { rows, unknown, bytes, mayRead } = columnOf(estimate, "tidemark_estimate") as {
    rows: number | null;
    unknown: boolean;
    bytes: number | null;
    mayRead: boolean;
  };
  // The size needs the weakest lock, for a moment; somebody may hold the strongest.
  const size = await number(
    session,
    `select sum(pg_total_relation_size(f.oid)) as tidemark_number from ${family} f`,
  );
  const isSmall = size !== undefined && size <= COUNTED_BYTES && table.kind !== "foreign";
  const name = [table.schema ?? "", table.name].map(identifier).join(".");
  const counted =
    isSmall && mayRead && table.kind !== "view"
      ? await number(session, `select count(*) as tidemark_number from ${name}`)
      : undefined;
  return {
    rows: counted ?? (unknown ? null : rows === null ? null : Math.round(rows)),
    isExact: counted !== undefined,
    bytes: size ?? bytes ?? 0,
    isBytesEstimated: size === undefined,
  };
}

/** Undefined where a lock is in the way, or the role may not. */
async function number(session: Session, sql: string): Promise<number | undefined> {
  try {
    return Number(columnOf(await ask(session, "forecast", `${LOOKS};\n${sql}`), "tidemark_number"));
  } catch (error) {
    if (isServerError(error)) return undefined;
    throw error;
  }
}
