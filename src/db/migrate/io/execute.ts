import { COPY } from "../pure/event-sink.ts";
import { culpritOf, recordCanceled, recordError } from "../pure/failure.ts";
import { FENCED } from "../pure/lease-sql.ts";
import {
  MARKER,
  type Message,
  migrationMessage,
  type ParsedStep,
  stageOf,
  startMessage,
} from "../pure/message.ts";
import { DURATION, type RecordContext } from "../pure/record-sql.ts";
import type { AppliedMigration, Progress } from "../types.ts";
import { cancelOnAbort } from "./cancel.ts";
import { LeaseLost } from "./lease-lost.ts";
import { LOCK_NOT_AVAILABLE, QUERY_CANCELED, rollBack } from "./ledger.ts";
import { recordAndRelease } from "./record-failure.ts";
import { isServerError, type Row, type Sent, type ServerError, type Session } from "./session.ts";

export interface Execution {
  readonly session: Session;
  readonly context: RecordContext;
  readonly steps: readonly ParsedStep[];
  readonly onProgress: (progress: Progress) => void;
  readonly signal: AbortSignal | undefined;
  /** Told after each record whether the app's copy of the events stays behind, and why. */
  readonly onCopied: (behind: string | null) => void;
  /** Called for each migration whose commit was confirmed. */
  readonly onApplied: (applied: AppliedMigration) => void;
}

// The driver sends up to 100 messages ahead; beyond that it queues on its own.
const WINDOW = 64;
const WINDOW_BYTES = 8 * 1024 * 1024;

/** The fence refused, or could not get the row: another run has it. */
function isContended(error: unknown): error is ServerError {
  return isServerError(error) && (error.code === FENCED || error.code === LOCK_NOT_AVAILABLE);
}

/** What has come back of a message. */
interface Live {
  /** The last marker. */
  marker: number | undefined;
  durationMs: number;
  /** Why the copy of the events stays behind; undefined where none was asked for. */
  copy: string | null | undefined;
}

/** A migration's message on its way. */
interface Flight extends Live {
  readonly step: ParsedStep;
  readonly index: number;
  readonly message: Message;
  readonly sent: Sent;
}

interface Failed {
  readonly flight: Flight;
  readonly error: ServerError;
}

/**
 * Runs the steps under the lease, each in a transaction that also records it. The
 * messages are sent ahead of the replies: the fence of each proves that the one
 * before it was committed, so after a failure the rest does nothing.
 *
 * @throws MigrateError `migration_failed`, `canceled`; LeaseLost; SessionLost
 */
export async function executeSteps(execution: Execution): Promise<void> {
  const { session, context, steps, signal } = execution;
  const [first] = steps;
  if (first === undefined) return;
  const start = await session.send("start", startMessage(context, 0, first, session.serverVersion));
  const flights: Flight[] = [];
  let failed: Failed | undefined;
  let bytes = 0;
  let next = 0;
  let announced = -1;
  const announce = (index: number) => {
    const step = steps[index];
    if (step === undefined || announced >= index) return;
    announced = index;
    execution.onProgress({
      kind: "migration-started",
      tag: step.migration.tag,
      index,
      total: steps.length,
      statements: step.statements.length,
      resumedAt: step.resumeAt,
    });
  };
  const stopWatching = cancelOnAbort(signal, () => flights.map(({ sent }) => sent));

  try {
    while (failed === undefined && (next < steps.length || flights.length > 0)) {
      const room = flights.length < WINDOW && (bytes < WINDOW_BYTES || flights.length === 0);
      const step = steps[next];
      if (step !== undefined && room && !signal?.aborted) {
        const flight = await launch(execution, step, next);
        flights.push(flight);
        bytes += flight.message.text.length;
        next += 1;
        if (next === 1) {
          await start.reply.catch((error: unknown) => {
            throw isContended(error) ? new LeaseLost(error.message, { cause: error }) : error;
          });
          announce(0);
        }
        continue;
      }
      const oldest = flights[0];
      if (oldest === undefined) break;
      failed = await settle(oldest);
      flights.shift();
      bytes -= oldest.message.text.length;
      if (failed === undefined) {
        const applied = { tag: oldest.step.migration.tag, durationMs: oldest.durationMs };
        if (oldest.copy !== undefined) execution.onCopied(oldest.copy);
        execution.onApplied(applied);
        execution.onProgress({ kind: "migration-done", ...applied });
        announce(oldest.index + 1);
      }
    }
  } finally {
    // Until the rest is drained the cancels must go on.
    await Promise.allSettled(flights.map(({ sent }) => sent.reply));
    await stopWatching();
  }

  if (failed !== undefined) {
    await rollBack(session);
    throw await failureOf(execution, failed);
  }
  const unsent = steps[next];
  if (unsent !== undefined) throw await stopBefore(execution, unsent, next, undefined);
}

async function launch(execution: Execution, step: ParsedStep, index: number): Promise<Flight> {
  const { session, context, steps } = execution;
  const following = steps[index + 1];
  const message = migrationMessage(context, index + 1, step, following, session.serverVersion);
  const live: Live = { marker: undefined, durationMs: 0, copy: undefined };
  const sent = await session.send(`migration:${step.migration.tag}`, message.text, (row: Row) => {
    if (MARKER in row) live.marker = Number(row[MARKER]);
    else if (DURATION in row) live.durationMs = Number(row[DURATION]);
    else if (COPY in row) live.copy = row[COPY] as string | null;
  });
  return Object.assign(live, { step, index, message, sent });
}

/** Waits for a message's reply; a server error is returned, a loss is thrown. */
async function settle(flight: Flight): Promise<Failed | undefined> {
  try {
    const { command } = await flight.sent.reply;
    if (command === "COMMIT") return undefined;
    throw new TypeError(`${flight.step.migration.tag} ended with ${command} instead of COMMIT`);
  } catch (error) {
    if (isServerError(error)) return { flight, error };
    throw error;
  }
}

/** Tells a failed migration from a lost lease, and records the failure. */
async function failureOf(execution: Execution, { flight, error }: Failed): Promise<Error> {
  const { step, message, index } = flight;
  const stage = stageOf(message, flight.marker);
  const culprit = culpritOf(message, stage, error);
  if (error.code === QUERY_CANCELED && execution.signal?.aborted) {
    return stopBefore(execution, step, index, error);
  }
  if (culprit === undefined && stage.kind === "fence" && isContended(error)) {
    return new LeaseLost(error.message, { cause: error });
  }
  const recorded = recordError(step, error, { culprit, stage }, aftermathOf(execution, index));
  return recordAndRelease(execution, {
    steps: execution.steps,
    index,
    recorded,
    code: "migration_failed",
    remedy: `Next: correct ${step.migration.file} (or the data it met), then run \`tidemark migrate\` again.`,
    cause: error,
  });
}

function stopBefore(
  execution: Execution,
  step: ParsedStep,
  index: number,
  cause: ServerError | undefined,
): Promise<Error> {
  return recordAndRelease(execution, {
    steps: execution.steps,
    index,
    recorded: recordCanceled(step.migration, aftermathOf(execution, index)),
    code: "canceled",
    remedy: "Next: run `tidemark migrate` again; it goes on from here.",
    cause,
  });
}

function aftermathOf({ steps }: Execution, index: number) {
  return { applied: index, notRun: steps.length - index - 1 };
}
