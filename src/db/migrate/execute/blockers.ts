import { identifier, integer, literal } from "../../base/quote.ts";
import { duration } from "../../base/text.ts";
import { BOUNDED } from "../ledger/read.ts";
import type { LeaseToken } from "../ledger/record.ts";
import type { Blocker } from "../reports.ts";

/**
 * Who holds what a run waits for. Its backend is the one whose transaction has written
 * the runner row, or that runs a statement with the run's mark: behind a pooler its number is not
 * known otherwise.
 */
export function findBlockers(
  schema: string,
  { runId }: Pick<LeaseToken, "runId">,
  backendPid: number | undefined,
): string {
  const backend =
    backendPid === undefined
      ? `coalesce((select q.pid from pg_catalog.pg_stat_activity q
  where q.state = 'active' and q.query like ${literal(`/* tidemark ${runId} %`)} limit 1),
  (select l.pid from pg_catalog.pg_locks l
  where l.relation = pg_catalog.to_regclass(${literal(`${identifier(schema)}.runner`)})
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
    and l.mode = 'RowExclusiveLock' and l.granted and l.pid <> pg_catalog.pg_backend_pid()
  limit 1))`
      : integer(backendPid);
  return `${BOUNDED};
select pg_catalog.jsonb_build_object(
  'pid', b.pid, 'user', a.usename, 'application', nullif(a.application_name, ''),
  'state', a.state, 'query', pg_catalog.left(pg_catalog.btrim(pg_catalog.regexp_replace(a.query, '\\s+', ' ', 'g')), 120),
  'forMs', pg_catalog.round(extract(epoch from pg_catalog.clock_timestamp() - coalesce(a.xact_start, a.state_change)) * 1000)
) as tidemark_blocker
from (select distinct u.pid from pg_catalog.unnest(pg_catalog.pg_blocking_pids(${backend})) u (pid)) b
left join pg_catalog.pg_stat_activity a on a.pid = b.pid
order by b.pid`;
}

/** One line about a session that holds a lock. */
export function describeBlocker(blocker: Blocker): string {
  // Prepared transactions have no backend.
  if (blocker.pid === 0) return "a prepared transaction (see pg_prepared_xacts)";
  const { user, application, state, query, forMs } = blocker;
  const who = [user ?? "another role", ...(application === null ? [] : [application])].join(", ");
  const since = forMs === null ? "" : ` for ${duration(forMs)}`;
  const what = query === null || query === "" ? "" : `: ${query}`;
  return `pid ${blocker.pid} (${who}), ${state ?? "at work"}${since}${what}`;
}
