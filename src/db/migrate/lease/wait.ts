import { jittered, pause, within } from "../../base/backoff.ts";
import { ownSettings } from "../../connection/begin.ts";
import { isServerError, type Session } from "../../connection/session.ts";
import { MigrateError } from "../errors.ts";
import type { LeaseToken, RunIdentity } from "../ledger/record.ts";
import {
  describeOwner,
  despiteLateCancel,
  ledgerError,
  rollBack,
  rowsOf,
  runnerOf,
} from "../ledger/replies.ts";
import type { LeaseHolder, Progress } from "../reports.ts";
import type { Ledger, LedgerRow, RunnerRow } from "../types.ts";
import { look, readAll, releaseLease, takeLease } from "./sql.ts";

/** A run's wait for other runners, over all its connections; its bound is `waitTimeoutMs`. */
export interface Waiting {
  /** As `Date.now()`; undefined while it does not wait. */
  since: number | undefined;
}

export interface LeaseWait {
  readonly session: Session;
  readonly schema: string;
  readonly identity: RunIdentity;
  /** Bound on waiting for another runner, in milliseconds. */
  readonly waitTimeoutMs: number;
  readonly waiting: Waiting;
  readonly onProgress: (progress: Progress) => void;
  readonly signal: AbortSignal | undefined;
}

export type LeaseOutcome =
  | {
      readonly kind: "taken";
      readonly lease: LeaseToken;
      readonly rows: readonly LedgerRow[];
      /** When it was taken, by the database's clock, and asked for, as `Date.now()`. */
      readonly at: Date;
      readonly askedAtMs: number;
    }
  /** Whoever held it did what we came for. */
  | { readonly kind: "done" };

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
 * @throws MigrateError `lock_timeout`, naming the holder
 */
export async function takeOrWait(
  wait: LeaseWait,
  first: RunnerRow,
  isDone: (runner: RunnerRow) => boolean,
): Promise<LeaseOutcome> {
  wait.waiting.since ??= Date.now();
  const { since } = wait.waiting;
  let runner = first;
  let pauseMs = FIRST_PAUSE_MS;
  let reportedAt = 0;
  let silent: { readonly token: string; readonly since: number } | undefined;
  for (;;) {
    wait.signal?.throwIfAborted();
    if (isDone(runner)) return { kind: "done" };
    if (runner.standby) throw standbyError("migrations are pending");
    const holder = holderOf(runner);
    if (!isSilent(runner)) silent = undefined;
    else if (silent?.token !== runner.token) silent = { token: runner.token, since: Date.now() };
    const silentMs = silent === undefined ? 0 : Date.now() - silent.since;
    if (mayBeTaken(runner, silentMs)) {
      const taken = await take(wait);
      if (taken !== undefined) {
        wait.waiting.since = undefined;
        if (holder !== undefined && holder.runId !== wait.identity.runId) {
          wait.onProgress({ kind: "took-over", holder });
        }
        return { kind: "taken", ...taken };
      }
    }
    const waitedMs = Date.now() - since;
    const leftMs = wait.waitTimeoutMs - waitedMs;
    if (leftMs <= 0) throw lockTimeout(holder, waitedMs);
    if (holder !== undefined && Date.now() - reportedAt > REPORT_EVERY_MS) {
      reportedAt = Date.now();
      wait.onProgress({ kind: "waiting", holder, waitedMs });
    }
    await pause(Math.min(jittered(pauseMs), leftMs), wait.signal);
    pauseMs = Math.min(pauseMs * 2, silent === undefined ? LONGEST_PAUSE_MS : SILENT_PAUSE_MS);
    const boundMs = Math.max(wait.waitTimeoutMs - (Date.now() - since), LOOK_MS);
    // Through a pooler a look may stand in its queue, behind the very run that is waited for.
    runner = await within(boundMs, lookAgain(wait.session, wait.schema, wait.identity.runId), () =>
      lockTimeout(holder, Date.now() - since),
    );
  }
}

/** Reads the runner row, locking nothing. */
export async function lookAgain(
  session: Session,
  schema: string,
  ownRun?: string,
): Promise<RunnerRow> {
  const { reply } = await session.send("look", look(schema, ownRun));
  const answer = await reply.catch((error: unknown) => {
    if (isServerError(error)) return error;
    throw error;
  });
  const runner = runnerOf(answer, schema);
  if (runner === undefined) {
    throw new MigrateError({
      code: "config",
      fact: `The ledger in schema ${schema} was dropped while this run waited.`,
      remedy: "Find out who dropped it, then run again.",
    });
  }
  return runner;
}

/** Gives the lease back, where it is still ours, and reads what the run leaves behind. */
export async function release(
  session: Session,
  schema: string,
  lease: LeaseToken,
): Promise<Ledger> {
  const text = [
    "begin isolation level read committed read write",
    ownSettings(session.serverVersion),
    "set local synchronous_commit to off",
    releaseLease(schema, lease),
    "commit",
    readAll(schema),
  ].join(";\n");
  const answer = await despiteLateCancel(async () => {
    const { reply } = await session.send("release", text);
    return reply.catch(async (error: unknown) => {
      if (isServerError(error)) await rollBack(session);
      throw error;
    });
  });
  return { runner: runnerOf(answer, schema), rows: rowsOf(answer) };
}

/** Nothing is seen of its holder: no transaction, no renewal. */
function isSilent({ liveness }: RunnerRow): boolean {
  return liveness === "waning" || liveness === "expired";
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

async function take(
  wait: LeaseWait,
): Promise<Omit<Extract<LeaseOutcome, { kind: "taken" }>, "kind"> | undefined> {
  const { session, schema, identity } = wait;
  const text = takeLease(schema, identity, {
    handshakePid: session.handshakePid(),
    serverVersion: session.serverVersion,
  });
  const askedAtMs = Date.now();
  try {
    const { reply } = await session.send("take", text);
    const answer = await reply;
    const row = answer.rows.find((item) => "tidemark_lease" in item)?.tidemark_lease;
    if (row === undefined) return undefined;
    // As JSON: a plain timestamp would come as the role's DateStyle has it.
    const { token, direct, now } = row as Pick<LeaseToken, "token" | "direct"> & { now: string };
    return {
      lease: { runId: identity.runId, token, direct },
      rows: rowsOf(answer),
      at: new Date(now),
      askedAtMs,
    };
  } catch (error) {
    if (!isServerError(error)) throw error;
    await rollBack(session);
    throw ledgerError(schema, error);
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
  return `${describeOwner(holder)}, backend ${holder.backendPid}${what}, since ${holder.since.toISOString()}${gone}`;
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

export function standbyError(and: string): MigrateError {
  return new MigrateError({
    code: "connect",
    fact: `The server is a standby: it can be read and not written, and ${and}.`,
    outcome: "nothing-run",
    remedy: "Connect to the primary.",
  });
}
