import { messageOf } from "../../base/problem.ts";
import { identifier, integer, literal } from "../../base/quote.ts";
import { duration } from "../../base/text.ts";
import { ask, columnOf } from "../../connection/ask.ts";
import type { SecondConnection } from "../../connection/second.ts";
import type { Reply } from "../../connection/session.ts";
import { BOUNDED } from "../ledger/read.ts";
import type { Blocker, ServerWork } from "../progress-types.ts";
import type { HeldRun, LeaseToken, MessageName } from "../run-types.ts";
import { maskSecrets } from "../sql/secrets.ts";
import type { Tag } from "../types.ts";
import { findWork, WORK } from "./server-work.ts";

/** Looks who holds a migration up. */
export interface BlockerWatch {
  /** The server begins with a migration. */
  readonly begin: (tag: Tag) => void;
  /** Who was seen to hold up the migration that was begun last. */
  readonly seen: () => readonly Blocker[];
  /** Why the look failed; undefined where it did not. */
  readonly blind: () => string | undefined;
  readonly stop: () => void;
}

/** Column of a row that is there where a commit waits for a standby. */
const STANDBYS = "tidemark_standbys";

const LOOK_EVERY_MS = 1_000;

/**
 * Looks, on a connection of its own, who holds the lock that a migration waits for: the
 * waiting session cannot ask, and afterwards it is too late. It connects only for a migration
 * that takes long; where it cannot, the run goes on without it.
 */
export function watchBlockers(run: HeldRun, second: SecondConnection<MessageName>): BlockerWatch {
  const { schema, lease, session, lockPatience, onProgress } = run;
  const afterMs = Math.min(LOOK_EVERY_MS, lockPatience.lockTimeoutMs / 2);
  const sql = findBlockers(schema, lease, lease.direct ? session.handshakePid() : undefined);
  let timer: NodeJS.Timeout | undefined;
  let seen: readonly Blocker[] = [];
  let blind: string | undefined;
  let current: Tag | undefined;
  let stopped = false;

  const look = async (tag: Tag) => {
    blind ??= "no answer yet";
    try {
      const reply = await second.use((other) => ask(other, "blockers", sql));
      const blockers = blockersIn(reply);
      blind = undefined;
      if (current !== tag || stopped) return;
      const standbys = columnOf(reply, STANDBYS);
      if (typeof standbys === "string") onProgress({ kind: "commit-waits", tag, standbys });
      const work = columnOf(reply, WORK) as ServerWork | undefined;
      if (work !== undefined) onProgress({ kind: "working", tag, work });
      if (blockers.length === 0) return;
      seen = blockers;
      onProgress({ kind: "blocked", tag, blockers: seen });
    } catch (error) {
      blind = messageOf(error);
    }
  };
  const lookLater = (tag: Tag, ms: number) => {
    timer = setTimeout(() => {
      void look(tag).then(() => {
        if (current === tag && !stopped) lookLater(tag, LOOK_EVERY_MS);
      });
    }, ms);
  };
  return {
    begin: (tag) => {
      clearTimeout(timer);
      current = tag;
      seen = [];
      lookLater(tag, afterMs);
    },
    seen: () => seen,
    blind: () => blind,
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

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
select pg_catalog.current_setting('synchronous_standby_names') as ${STANDBYS}
from pg_catalog.pg_stat_activity w where w.pid = ${backend} and w.wait_event = 'SyncRep';
${findWork(backend)};
select pg_catalog.jsonb_build_object(
  'pid', b.pid, 'user', a.usename, 'application', nullif(a.application_name, ''),
  'state', a.state, 'query', pg_catalog.left(pg_catalog.btrim(pg_catalog.regexp_replace(a.query, '\\s+', ' ', 'g')), 120),
  'forMs', pg_catalog.round(extract(epoch from pg_catalog.clock_timestamp() - coalesce(a.xact_start, a.state_change)) * 1000)
) as tidemark_blocker
from (select distinct u.pid from pg_catalog.unnest(pg_catalog.pg_blocking_pids(${backend})) u (pid)) b
left join pg_catalog.pg_stat_activity a on a.pid = b.pid
order by b.pid`;
}

/** Of an answer to `findBlockers`, with secrets masked. */
export function blockersIn({ rows }: Reply): readonly Blocker[] {
  return rows
    .filter((row) => "tidemark_blocker" in row)
    .map((row) => row.tidemark_blocker as Blocker)
    .map((blocker) => ({
      ...blocker,
      query: blocker.query && maskSecrets(blocker.query).text,
    }));
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

/** A line for each session that holds a migration up. */
export function heldBy(blockers: readonly Blocker[]): readonly string[] {
  return blockers.map((blocker) => `held by: ${describeBlocker(blocker)}`);
}
