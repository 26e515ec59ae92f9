import {
  ask,
  columnOf,
  despiteLateCancel,
  rollBack,
  rolledBackAfterError,
  transact,
} from "../../connection/ask.ts";
import { ASYNCHRONOUS_COMMIT, transaction } from "../../connection/begin.ts";
import { SessionLost } from "../../connection/loss.ts";
import { isServerError, type Reply } from "../../connection/session.ts";
import { COPY } from "../ledger/event-copy.ts";
import { type NewEvent, record } from "../ledger/record.ts";
import { ledgerOf } from "../ledger/replies.ts";
import { isContended } from "../ledger/server-error.ts";
import type { Ledger, RunnerRow } from "../ledger-types.ts";
import type { HeldRun, MessageName, Run, Session } from "../run-types.ts";
import type { Checksum, EventSink } from "../types.ts";
import { LeaseLost } from "./lost.ts";
import { fence, readAll, releaseLease } from "./sql.ts";
import { type Taken, takeOrWait } from "./wait.ts";

/** What came of work under the lease. */
export interface Held<T> {
  readonly value: T;
  /** What it leaves behind; undefined where the lease could not be given back. */
  readonly after: Ledger | undefined;
}

/**
 * Takes the lease, waiting for its holder where it has one, does the work, and gives the lease back:
 * after an error too, which is thrown whatever comes of that.
 *
 * @param runner as a look has found it
 * @param isDone whether its holder did what we came for, while it was waited for
 * @returns undefined where it did
 * @throws MigrateError `lock_timeout`, naming the holder; what the work throws
 */
export async function withLease<T>(
  run: Run,
  session: Session,
  runner: RunnerRow,
  work: (held: HeldRun, taken: Taken) => Promise<T>,
  isDone: (runner: RunnerRow) => boolean = () => false,
): Promise<Held<T> | undefined> {
  const taken = await takeOrWait(run, session, runner, isDone);
  if (taken === undefined) return undefined;
  const { lease, mirror } = taken;
  const held = { ...run, session, lease, mirror, sink: await sinkOf(run), isReleased: false };
  let value: T;
  try {
    value = await work(held, taken);
  } catch (error) {
    // Where the record of a failure gave it back already, this finds nothing.
    if (!(error instanceof SessionLost || error instanceof LeaseLost)) {
      await rollBack(session)
        .then(() => release(held))
        .catch(() => undefined);
    }
    throw error;
  }
  return { value, after: held.isReleased ? undefined : await releaseAfterWork(held) };
}

/**
 * The work is done and recorded. What is wrong with giving the lease back is no failure of it: the
 * lease ends with the session.
 */
async function releaseAfterWork(held: HeldRun): Promise<Ledger | undefined> {
  try {
    return await release(held);
  } catch (error) {
    if (!isServerError(error)) throw error;
    const message = `the lease could not be given back (${error.message}); it ends with this session`;
    held.onProgress({ kind: "warning", warning: { kind: "lease-kept", message } });
    return undefined;
  }
}

/** Gives the lease back, where it is still ours, and reads what the run leaves behind. */
async function release(held: HeldRun): Promise<Ledger> {
  const { session, schema } = held;
  const statements = [ASYNCHRONOUS_COMMIT, releaseLease(held)];
  const text = `${transaction(session.serverVersion, statements)};\n${readAll(schema)}`;
  const reply = await despiteLateCancel(() =>
    rolledBackAfterError(session, ask(session, "release", text)),
  );
  return ledgerOf(reply, schema);
}

/** The app's copy of the events. A folder that cannot be read has none: its mistakes are for others to report. */
async function sinkOf({ eventSink, history }: Run): Promise<EventSink | undefined> {
  if (eventSink !== undefined) return eventSink;
  return history.then(
    (found) => found.eventSink,
    () => undefined,
  );
}

/**
 * Sends a fenced transaction by itself.
 *
 * @throws LeaseLost where the lease is another's, ServerError, SessionLost
 */
export async function transactFenced(
  run: HeldRun,
  name: MessageName,
  proof: Parameters<typeof fence>[1],
  statements: readonly string[],
): Promise<Reply> {
  try {
    return await transact(run.session, name, [fence(run, proof), ...statements]);
  } catch (error) {
    throw isContended(error) ? new LeaseLost(error.message, { cause: error }) : error;
  }
}

/**
 * Commits what a command writes to the ledger, and gives the lease back with it: there is no moment in
 * which one is done and not the other.
 *
 * @param head the database's new head; null leaves it as it is
 * @returns why the app's copy of the events stays behind; null where it does not
 * @throws LeaseLost, ServerError, SessionLost
 */
export async function commitEvents(
  run: HeldRun,
  name: "repair" | "resolve",
  events: readonly NewEvent[],
  head: Checksum | null = null,
): Promise<string | null> {
  const statements = record(run, events, { head, activity: null });
  const fenced = [fence(run, { activity: name }), ...statements, releaseLease(run)];
  const reply = await transact(run.session, name, fenced);
  run.isReleased = true;
  return (columnOf(reply, COPY) as string | null | undefined) ?? null;
}
