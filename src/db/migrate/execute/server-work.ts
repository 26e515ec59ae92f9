import type { ServerWork } from "../progress-types.ts";

/** Column of a row that says what a backend is at. */
export const WORK = "tidemark_work";

/**
 * What a backend is at, as the server's own views of progress have it; no row where it does nothing. An index that is
 * being built is not there yet: its table is named.
 *
 * @param backend an SQL expression
 */
export function findWork(backend: string): string {
  const from = (view: string, command: string, done: string, total: string, phase = "p.phase") =>
    `select ${command} as command, p.relid, ${phase} as phase, ${done} as done, ${total} as total
    from pg_catalog.${view} p where p.pid = w.pid`;
  return `select pg_catalog.jsonb_build_object(
  'forMs', pg_catalog.round(extract(epoch from pg_catalog.clock_timestamp() - w.query_start) * 1000),
  'command', p.command, 'table', case when p.relid <> 0 then p.relid::pg_catalog.regclass::text end,
  'phase', p.phase, 'done', p.done, 'total', nullif(p.total, 0)
) as ${WORK}
from pg_catalog.pg_stat_activity w
left join lateral (
  ${from("pg_stat_progress_create_index", "p.command", ...ofIndex())}
  union all ${from("pg_stat_progress_vacuum", "'VACUUM'", "p.heap_blks_scanned", "p.heap_blks_total")}
  union all ${from("pg_stat_progress_cluster", "p.command", "p.heap_blks_scanned", "p.heap_blks_total")}
  union all ${from("pg_stat_progress_analyze", "'ANALYZE'", "p.sample_blks_scanned", "p.sample_blks_total")}
  union all ${from("pg_stat_progress_copy", "p.command", "p.bytes_processed", "p.bytes_total", "null::pg_catalog.text")}
  limit 1
) p on true
where w.pid = ${backend} and w.state = 'active'`;
}

/** It counts blocks, then tuples, and while it waits for others, these. */
function ofIndex(): readonly [string, string] {
  const each = (what: string) =>
    `case when p.phase like 'waiting%' then p.lockers_${what} when p.blocks_total > 0 then p.blocks_${what} else p.tuples_${what} end`;
  return [each("done"), each("total")];
}

/** `CREATE INDEX on public.notes: building index, 42 %`; undefined where the server does not tell. */
export function describeWork({
  command,
  table,
  phase,
  done,
  total,
}: ServerWork): string | undefined {
  if (command === null) return undefined;
  const share =
    total === null || done === null
      ? ""
      : `${phase === null ? ": " : ", "}${Math.min(100, Math.floor((done / total) * 100))} %`;
  return `${command}${table === null ? "" : ` on ${table}`}${phase === null ? "" : `: ${phase}`}${share}`;
}
