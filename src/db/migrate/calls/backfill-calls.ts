import { identifier, literal } from "../../base/quote.ts";
import { ask, transact } from "../../connection/ask.ts";
import {
  BACKFILL,
  type BackfillRow,
  isAlive,
  lockLog,
  logged,
  readBackfills,
} from "../backfill/store.ts";
import type { BackfillAction, BackfillStatus } from "../backfill-types.ts";
import { MigrateError } from "../errors.ts";
import { look } from "../lease/sql.ts";
import { BOUNDED } from "../ledger/read.ts";
import { runnerOf } from "../ledger/replies.ts";
import type { Run, Session } from "../run-types.ts";
import type { BackfillState, Tag } from "../types.ts";
import { openLedger } from "./call.ts";

/** The first version of the ledger that has backfills. */
const SINCE_VERSION = 4;

/** All backfills, in the order in which they began; none where the ledger is older than they are. */
export async function listBackfills(run: Run): Promise<readonly BackfillStatus[]> {
  return withLedger(run, async (session) => statuses(session, run.schema));
}

/** Whether the role may write the ledger's row of a backfill, as its runner does. */
export async function mayRunBackfills(run: Run): Promise<boolean> {
  const table = literal(`${identifier(run.schema)}.backfills`);
  const query = `select pg_catalog.has_table_privilege(${table}, 'UPDATE') as ${ALLOWED}`;
  const [found] = await withLedger(run, async (session) => {
    const { rows } = await transact(session, "backfill", [query], "rollback");
    return rows.filter((row) => ALLOWED in row);
  });
  return found?.[ALLOWED] === true;
}

const ALLOWED = "tidemark_allowed";

/**
 * What a person asks of a backfill: one that runs obeys after its batch.
 *
 * @throws MigrateError `usage` where there is no such backfill, or it is through
 */
export async function changeBackfill(
  run: Run,
  tag: Tag,
  action: BackfillAction,
): Promise<BackfillStatus> {
  const changed = await withLedger(run, async (session) => {
    for (let tries = 1; ; tries += 1) {
      const [row] = await statuses(session, run.schema, tag);
      if (row === undefined) throw unknown(tag, await statuses(session, run.schema));
      if (row.state === "DONE") throw through(row);
      const statements = row.isRunning ? tell(run, tag, action) : change(run, tag, action);
      const reply = await transact(session, "backfill", statements);
      // It may have begun or ended meanwhile.
      const isChanged = reply.rows.some((found) => CHANGED in found);
      if (isChanged || tries === MOST_TRIES) return statuses(session, run.schema, tag);
    }
  });
  const [row] = changed;
  if (row === undefined) throw unknown(tag, []);
  return row;
}

/** Works on a ledger that has backfills; one that is older, or not there, has none. */
export async function withLedger<T>(
  run: Run,
  work: (session: Session) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  const { session, first } = await openLedger(run, look(run.schema));
  try {
    const runner = runnerOf(first, run.schema);
    if (runner === undefined || runner.ledgerVersion < SINCE_VERSION) return [];
    return await work(session);
  } finally {
    await session.close();
  }
}

export async function statuses(
  session: Session,
  schema: string,
  tag?: Tag,
): Promise<readonly BackfillStatus[]> {
  // In the transaction that a message is by itself: on a standby too.
  const { rows } = await ask(session, "backfill", `${BOUNDED};\n${readBackfills(schema, tag)}`);
  return rows.flatMap((row) => (BACKFILL in row ? [statusOf(row[BACKFILL] as BackfillRow)] : []));
}

const STATES: Readonly<Record<BackfillAction, BackfillState>> = {
  pause: "PAUSED",
  cancel: "CANCELED",
  resume: "PENDING",
};

const EVENTS = {
  pause: "backfill.paused",
  cancel: "backfill.canceled",
  resume: "backfill.resumed",
} as const;

const CHANGED = "tidemark_changed";
const MOST_TRIES = 5;

/** One that runs is told, and obeys after its batch. */
function tell({ schema }: Run, tag: Tag, action: BackfillAction): readonly string[] {
  const wanted = action === "resume" ? "null" : literal(action);
  return [
    `update ${identifier(schema)}.backfills b
set wanted = ${wanted}, updated_at = pg_catalog.clock_timestamp()
where b.tag = ${literal(tag)} and b.state <> 'DONE' and ${isAlive("b")}
returning b.tag as ${CHANGED}`,
  ];
}

/** Of one that does not run, the state is what is wanted. */
function change({ schema, identity }: Run, tag: Tag, action: BackfillAction): readonly string[] {
  const s = identifier(schema);
  const state = literal(STATES[action]);
  const event = literal(JSON.stringify(logged(EVENTS[action], identity)));
  return [
    lockLog(schema),
    `with before as (
  select b.tag, b.state from ${s}.backfills b
  where b.tag = ${literal(tag)} and b.state <> 'DONE' and not ${isAlive("b")}
  for update
), changed as (
  update ${s}.backfills b
  set wanted = null, state = ${state}, run_id = null, finished_at = null, updated_at = pg_catalog.clock_timestamp()
  from before where b.tag = before.tag
  returning b.tag, b.state
), migrations as (
  update ${s}.schema_migrations m set backfill = changed.state
  from changed where m.tag = changed.tag and m.backfill is not null
)
select before.tag as ${CHANGED},
  case when before.state <> ${state} then ${s}.backfill_event(before.tag, ${event}::pg_catalog.jsonb)::pg_catalog.text end
from before, changed`,
  ];
}

function statusOf(row: BackfillRow): BackfillStatus {
  const { rowsDone, rowsExpected, busyMs, isRunning, ...more } = row;
  const rowsPerSecond = busyMs > 0 ? Math.round((rowsDone / busyMs) * 1000) : null;
  const left = rowsExpected === null ? null : Math.max(0, rowsExpected - rowsDone);
  const leftMs = isRunning && left !== null && rowsPerSecond ? (left / rowsPerSecond) * 1000 : null;
  const { tag, table, key, background, state, wanted, batches, batchSize, quarantined } = more;
  const { reason, error, worker, startedAt, updatedAt, finishedAt } = more;
  return {
    ...{ tag, table, key, background, state, isRunning, wanted, rowsDone, rowsExpected },
    ...{ rowsPerSecond, leftMs: leftMs === null ? null : Math.round(leftMs) },
    ...{ batches, batchSize, quarantined, reason, error, worker, startedAt, updatedAt, finishedAt },
  };
}

function unknown(tag: Tag, all: readonly BackfillStatus[]): MigrateError {
  const known = all.map((one) => one.tag);
  return new MigrateError({
    code: "usage",
    tag,
    fact: `There is no backfill ${tag}.`,
    outcome: "nothing-written",
    remedy:
      known.length === 0
        ? "No migration with a backfill has been started in this database."
        : `Those that were started: ${known.join(", ")}.`,
  });
}

function through({ tag, rowsDone }: BackfillStatus): MigrateError {
  return new MigrateError({
    code: "usage",
    tag,
    fact: `The backfill ${tag} is done, after ${rowsDone} rows.`,
    outcome: "nothing-written",
    remedy: "There is nothing to pause, resume or cancel.",
  });
}
