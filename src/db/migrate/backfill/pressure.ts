import { integer } from "../../base/quote.ts";
import { plural } from "../../base/text.ts";
import { columnOf, transact } from "../../connection/ask.ts";
import { type BackfillDefinition, DEFAULTS } from "../code/backfill-definition.ts";
import type { Session } from "../run-types.ts";
import { untilHours } from "./hours.ts";
import type { Target } from "./keys.ts";

/** Why it has to wait, and after how many milliseconds to look again. */
export interface Pause {
  readonly reason: string;
  readonly forMs: number;
}

interface Seen {
  /** Null where the role may not see it. */
  readonly lagMs: number | null;
  /** The last file that was archived, the one that is written, and the size of a file in bytes. */
  readonly wal: readonly [string | null, string, number] | null;
  readonly live: number | null;
  readonly dead: number | null;
  /** Sessions that wait for a lock on the table. */
  readonly waiting: number;
  /** A vacuum that prevents a wraparound runs on the table. */
  readonly wraparound: boolean;
  /** Replication slots whose WAL is about to be removed. */
  readonly slots: string | null;
}

const SEEN = "tidemark_seen";
const LOOK_AGAIN_MS = 1_000;
const LONGEST_UNTIL_LOOK_MS = 30_000;

/** Looks for what a backfill gives way to. */
export async function lookForPressure(
  session: Session,
  target: Target,
  { hours, pauseWhen = {} }: Pick<BackfillDefinition, "hours" | "pauseWhen">,
): Promise<Pause | undefined> {
  const closedMs = untilHours(hours, new Date());
  if (closedMs > 0) {
    const { from, to, timeZone = "UTC" } = hours ?? { from: "", to: "" };
    return {
      reason: `it runs from ${from} to ${to} ${timeZone}`,
      forMs: Math.min(closedMs, LONGEST_UNTIL_LOOK_MS),
    };
  }
  const reply = await transact(session, "pressure", [query(target.oid)], "rollback");
  const reason = reasonOf(columnOf(reply, SEEN) as Seen, pauseWhen);
  return reason === undefined ? undefined : { reason, forMs: LOOK_AGAIN_MS };
}

function reasonOf(
  { lagMs, wal, live, dead, waiting, wraparound, slots }: Seen,
  limits: NonNullable<BackfillDefinition["pauseWhen"]>,
): string | undefined {
  const { replicationLagMs, walFilesToArchive, deadRows } = { ...DEFAULTS, ...limits };
  if (waiting > 0) {
    return `${plural(waiting, "session")} ${waiting === 1 ? "waits" : "wait"} for a lock on the table`;
  }
  if (lagMs !== null && lagMs > replicationLagMs) {
    return `a standby is ${Math.round(lagMs / 100) / 10} s behind (limit ${replicationLagMs / 1000} s)`;
  }
  const walFiles = wal === null ? 0 : filesBetween(...wal);
  if (walFiles > walFilesToArchive) {
    return `${walFiles} WAL files wait to be archived (limit ${walFilesToArchive})`;
  }
  if (slots !== null) return `the WAL of the replication slot ${slots} is about to be removed`;
  if (wraparound) return "a vacuum that prevents a wraparound runs on the table";
  if (live !== null && dead !== null && dead > 10_000 && dead > live * deadRows) {
    return `the table has ${dead} dead rows for ${live} live ones: vacuum does not keep up`;
  }
  return undefined;
}

/** How many WAL files lie between two, by their names: time line, log and segment, each of 8 hexadecimal digits. */
export function filesBetween(archived: string | null, current: string, bytes: number): number {
  const segmentsOfLog = 2 ** 32 / bytes;
  const numberOf = (name: string) =>
    Number.parseInt(name.slice(8, 16), 16) * segmentsOfLog + Number.parseInt(name.slice(16), 16);
  // A history file, or nothing yet: unknown.
  if (archived === null || !/^[0-9A-F]{24}$/.test(archived)) return 0;
  return Math.max(0, numberOf(current) - numberOf(archived) - 1);
}

function query(oid: number): string {
  const table = integer(oid);
  return `select pg_catalog.jsonb_build_object(
  'lagMs', (select pg_catalog.max(extract(epoch from r.replay_lag) * 1000) from pg_catalog.pg_stat_replication r),
  'wal', case when pg_catalog.current_setting('archive_mode') <> 'off' then pg_catalog.jsonb_build_array(
    (select a.last_archived_wal from pg_catalog.pg_stat_archiver a),
    pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()),
    pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))) end,
  -- Counted from nothing again after a crash, on a standby that took over, and where somebody reset it.
  'live', (select greatest(s.n_live_tup, c.reltuples::pg_catalog.int8)
    from pg_catalog.pg_stat_all_tables s join pg_catalog.pg_class c on c.oid = s.relid
    where s.relid = ${table} and (s.n_live_tup > 0 or c.reltuples > 0)),
  'dead', (select s.n_dead_tup from pg_catalog.pg_stat_all_tables s where s.relid = ${table}),
  'waiting', (select pg_catalog.count(*) from pg_catalog.pg_locks l
    where not l.granted and l.locktype = 'relation' and l.relation = ${table}
      and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())),
  'wraparound', exists (select from pg_catalog.pg_stat_activity a
    join pg_catalog.pg_locks l on l.pid = a.pid
    where a.backend_type = 'autovacuum worker' and a.query like '%to prevent wraparound%' and l.relation = ${table}),
  'slots', (select pg_catalog.string_agg(s.slot_name, ', ') from pg_catalog.pg_replication_slots s where s.wal_status = 'unreserved')
) as ${SEEN}`;
}
