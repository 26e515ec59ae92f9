import { jittered, pause, within } from "../../base/backoff.ts";
import { askOrError, columnOf, transact } from "../../connection/ask.ts";
import { isServerError } from "../../connection/session.ts";
import type { DrizzleMirror } from "../adopt-types.ts";
import { MigrateError } from "../errors.ts";
import { noteServer, rowsOf, runnerOf } from "../ledger/replies.ts";
import { ledgerError, standbyError } from "../ledger/server-error.ts";
import type { LedgerRow, RunnerRow } from "../ledger-types.ts";
import type { LeaseHolder } from "../progress-types.ts";
import type { LeaseToken, Run, Session } from "../run-types.ts";
import { look, takeLease } from "./sql.ts";

/** A lease that was taken, and what the ledger held then. */
export interface Taken {
  readonly lease: LeaseToken;
  readonly rows: readonly LedgerRow[];
  readonly mirror: DrizzleMirror | null;
  /** When it was taken, by the database's clock, and asked for, as `performance.now()`. */
  readonly at: Date;
  readonly askedAtMs: number;
}

const FIRST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 1_000;
const REPORT_EVERY_MS = 2_000;
const SILENCE_MS = 2_000;
const SILENT_PAUSE_MS = 200;
// Longer than what a look's own statements may take.
const LOOK_MS = 10_000;

/**
 * Takes the lease, waiting for its holder where it has one.
 *
 * Polls with a plain select instead of blocking: a session waiting for a lock holds
 * a snapshot, and CREATE INDEX CONCURRENTLY would wait for it for ever.
 *
 * @param isDone whether its holder did what we came for
 * @returns undefined where it did
 * @throws MigrateError `lock_timeout`, naming the holder
 */
export async function takeOrWait(
  run: Run,
  session: Session,
  first: RunnerRow,
  isDone: (runner: RunnerRow) => boolean,
): Promise<Taken | undefined> {
  const { schema, identity, waiting, waitTimeoutMs, signal, onProgress } = run;
  waiting.since ??= performance.now();
  const { since } = waiting;
  let runner = first;
  let pauseMs = FIRST_PAUSE_MS;
  let reportedAt = Number.NEGATIVE_INFINITY;
  let silent: { readonly token: string; readonly since: number } | undefined;
  for (;;) {
    signal?.throwIfAborted();
    if (isDone(runner)) return undefined;
    if (runner.standby) throw standbyError("migrations are pending");
    const holder = holderOf(runner);
    if (!isSilent(runner)) silent = undefined;
    else if (silent?.token !== runner.token)
      silent = { token: runner.token, since: performance.now() };
    const silentMs = silent === undefined ? 0 : performance.now() - silent.since;
    if (mayBeTaken(runner, silentMs)) {
      const taken = await take(run, session);
      if (taken !== undefined) {
        waiting.since = undefined;
        if (holder !== undefined && holder.runId !== identity.runId) {
          onProgress({ kind: "took-over", holder });
        }
        return taken;
      }
    }
    const waitedMs = Math.round(performance.now() - since);
    const leftMs = waitTimeoutMs - waitedMs;
    if (leftMs <= 0) throw lockTimeout(holder, waitedMs);
    if (holder !== undefined && performance.now() - reportedAt > REPORT_EVERY_MS) {
      reportedAt = performance.now();
      onProgress({ kind: "waiting", holder, waitedMs });
    }
    await pause(Math.min(jittered(pauseMs), leftMs), signal);
    pauseMs = Math.min(pauseMs * 2, silent === undefined ? LONGEST_PAUSE_MS : SILENT_PAUSE_MS);
    const boundMs = Math.max(waitTimeoutMs - (performance.now() - since), LOOK_MS);
    // Through a pooler a look may stand in its queue, behind the very run that is waited for.
    runner = await within(boundMs, lookAgain(session, schema, identity.runId), () =>
      lockTimeout(holder, Math.round(performance.now() - since)),
    );
  }
}

/** Reads the runner row, locking nothing. */
export async function lookAgain(
  session: Session,
  schema: string,
  ownRun?: string,
): Promise<RunnerRow> {
  const runner = runnerOf(await askOrError(session, "look", look(schema, ownRun)), schema);
  if (runner === undefined) {
    throw new MigrateError({
      code: "config",
      fact: `The ledger in schema ${schema} was dropped while this run waited.`,
      remedy: "Find out what dropped it, then run again.",
    });
  }
  return runner;
}

/** Nothing is seen of its holder: no transaction, no renewal. */
function isSilent({ liveness }: RunnerRow): boolean {
  return liveness === "expiring-soon" || liveness === "expired";
}

/**
 * A migration that ran longer than a lease and failed has taken its renewal back with it:
 * between the error and its record the lease looks expired, and its runner lives. So an
 * expired one is taken only after its holder was silent for a while.
 */
function mayBeTaken({ liveness }: RunnerRow, silentMs: number): boolean {
  if (liveness === "expired") return silentMs >= SILENCE_MS;
  return liveness === "free" || liveness === "dead";
}

type TakenRow = Pick<LeaseToken, "token" | "direct"> &
  Pick<Taken, "mirror"> & { readonly now: string };

async function take(
  { schema, identity, server }: Run,
  session: Session,
): Promise<Taken | undefined> {
  const askedAtMs = performance.now();
  try {
    const statements = takeLease(schema, identity, session.handshakePid());
    const reply = await transact(session, "take", statements);
    noteServer(server, reply);
    const row = columnOf(reply, "tidemark_lease");
    if (row === undefined) return undefined;
    // As JSON: a plain timestamp would come as the role's DateStyle has it.
    const { token, direct, now, mirror } = row as TakenRow;
    const lease = { runId: identity.runId, token, direct };
    return { lease, rows: rowsOf(reply), mirror, at: new Date(now), askedAtMs };
  } catch (error) {
    throw isServerError(error) ? ledgerError(schema, error) : error;
  }
}

/** Who holds the lease; undefined where nobody does. */
export function holderOf(runner: RunnerRow): LeaseHolder | undefined {
  if (runner.runId === null) return undefined;
  return {
    runId: runner.runId,
    host: runner.host ?? "unknown host",
    processId: runner.processId ?? 0,
    user: runner.user ?? "unknown user",
    backendPid: runner.backendPid ?? 0,
    activity: runner.activity,
    zombie: runner.zombie,
    since: runner.acquiredAt ?? new Date(0),
  };
}

/** One line about a lease's holder: who, what, since when. */
export function describeHolder(holder: LeaseHolder): string {
  const what = holder.activity === null ? "" : `, running ${holder.activity}`;
  const gone =
    holder.zombie === null
      ? ""
      : `; it does not answer, and its statement still runs on the server (backend ${holder.zombie})`;
  return `${holder.user}@${holder.host} (process ${holder.processId}), backend ${holder.backendPid}${what}, since ${holder.since.toISOString()}${gone}`;
}

function lockTimeout(holder: LeaseHolder | undefined, waitedMs: number): MigrateError {
  const who = holder === undefined ? "another runner" : describeHolder(holder);
  return new MigrateError({
    code: "lock_timeout",
    fact: `Waited ${(waitedMs / 1000).toFixed(1)} s for another runner: ${who}.`,
    outcome: "nothing-run",
    remedy: "Let the other finish and run again, or wait longer with --wait-timeout.",
  });
}
