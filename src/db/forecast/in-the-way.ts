import { ask, columnOf } from "../connection/ask.ts";
import type { Session } from "../connection/session.ts";
import { type Blocker, maskSecrets } from "../migrate/index.ts";
import { conflictsOf, type LockMode, serverModeOf } from "../sql-tree/locks/lock-modes.ts";
import { LOOKS } from "./read-scene.ts";

/** A lock that another session has, or waits for, on a table that the run will lock: either is in the way. */
export interface HeldLock {
  readonly oid: number;
  readonly mode: string;
  readonly blocker: Blocker;
}

/** What other sessions are about, now. */
export interface OthersNow {
  readonly role: string;
  /** The role sees what other roles' sessions do. */
  readonly seesOthers: boolean;
  readonly locks: readonly HeldLock[];
  /** Transactions that are open for longer than a second, the oldest first. */
  readonly long: readonly Blocker[];
  /** Sessions with a snapshot: what is built CONCURRENTLY waits for them. */
  readonly snapshots: readonly Blocker[];
}

const BLOCKER = `jsonb_build_object('pid', coalesce(l.pid, 0), 'user', a.usename, 'application', nullif(a.application_name, ''),
  'state', a.state, 'query', left(btrim(regexp_replace(a.query, '\\s+', ' ', 'g')), 120),
  'forMs', round(extract(epoch from clock_timestamp() - coalesce(a.xact_start, a.state_change)) * 1000))`;

/** Looks which sessions hold locks on tables, and which have transactions open. Waits for nobody. */
export async function lookAround(session: Session, oids: readonly number[]): Promise<OthersNow> {
  const list = `array[${oids.join(", ")}]::oid[]`;
  const here = "(select d.oid from pg_database d where d.datname = current_database())";
  const reply = await ask(
    session,
    "forecast",
    `${LOOKS};
select jsonb_build_object('role', current_user,
  'sees', pg_has_role(current_user, 'pg_read_all_stats', 'usage')
    or (select r.rolsuper from pg_roles r where r.rolname = current_user)) as tidemark_self;
select jsonb_build_object('oid', l.relation::bigint, 'mode', l.mode, 'blocker', ${BLOCKER}) as tidemark_lock
from pg_locks l left join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation' and l.database = ${here} and l.relation = any (${list})
  and l.pid is distinct from pg_backend_pid()
  -- The server ends an autovacuum that somebody waits for, unless it must not.
  and not coalesce(a.backend_type = 'autovacuum worker' and a.query not like '%(to prevent wraparound)', false)
order by a.xact_start nulls last, l.pid;
select jsonb_build_object('isLong', clock_timestamp() - a.xact_start > interval '1 s',
  'hasSnapshot', a.backend_xmin is not null, 'blocker', ${BLOCKER}) as tidemark_open
from pg_stat_activity l join pg_stat_activity a on a.pid = l.pid
where a.datname = current_database() and a.pid <> pg_backend_pid() and a.backend_type = 'client backend'
  and (a.xact_start is not null or a.backend_xmin is not null)
order by a.xact_start nulls last, a.pid`,
  );
  const self = columnOf(reply, "tidemark_self") as { role: string; sees: boolean };
  const all = <T>(column: string) =>
    reply.rows.flatMap((row) => (column in row ? [row[column] as T] : []));
  const open = all<{ isLong: boolean | null; hasSnapshot: boolean; blocker: Blocker }>(
    "tidemark_open",
  );
  return {
    role: self.role,
    seesOthers: self.sees,
    locks: all<HeldLock>("tidemark_lock").map((one) => ({ ...one, blocker: masked(one.blocker) })),
    long: open.filter(({ isLong }) => isLong === true).map(({ blocker }) => masked(blocker)),
    snapshots: open.filter(({ hasSnapshot }) => hasSnapshot).map(({ blocker }) => masked(blocker)),
  };
}

function masked(blocker: Blocker): Blocker {
  return { ...blocker, query: blocker.query && maskSecrets(blocker.query).text };
}

/** The sessions that a lock of this mode would wait for, each once. */
export function blockersOf(oid: number, mode: LockMode, { locks }: OthersNow): readonly Blocker[] {
  const modes = conflictsOf(mode).map(serverModeOf);
  const found = locks.filter((lock) => lock.oid === oid && modes.includes(lock.mode));
  return [...new Map(found.map(({ blocker }) => [blocker.pid, blocker])).values()];
}
