import { COPY } from "../pure/event-sink.ts";
import { MARKER, type Message, migrationMessage, type ParsedStep } from "../pure/message.ts";
import { DURATION, type RecordContext } from "../pure/record-sql.ts";
import type { AppliedMigration, Progress } from "../reports.ts";
import type { BlockerWatch } from "./blockers.ts";
import { cancelOnAbort } from "./cancel.ts";
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

/** What has come back of a message. */
interface Live {
  /** The last marker. */
  marker: number | undefined;
  durationMs: number;
  /** Why the copy of the events stays behind; undefined where none was asked for. */
  copy: string | null | undefined;
}

/** A migration's message on its way. */
export interface Flight extends Live {
  readonly step: ParsedStep;
  readonly index: number;
  readonly message: Message;
  readonly sent: Sent;
}

export type PipelineEnd =
  | { readonly kind: "done" }
  /** Of what was sent behind it, nothing has run. The transaction is still open. */
  | { readonly kind: "failed"; readonly flight: Flight; readonly error: ServerError }
  /** The signal came; steps from `next` on were not sent. */
  | { readonly kind: "aborted"; readonly next: number };

// The driver sends up to 100 messages ahead; beyond that it queues on its own.
const WINDOW = 64;
const WINDOW_BYTES = 8 * 1024 * 1024;

/**
 * Sends the steps from `from` on, ahead of the replies. The fence of each message proves
 * that the one before it was committed, so after a failure the rest does nothing.
 *
 * @param started resolves when the first step's `started` is committed
 * @throws SessionLost, and what `started` throws
 */
export async function runPipeline(
  execution: Execution,
  from: number,
  started: Promise<unknown>,
  watch: BlockerWatch,
): Promise<PipelineEnd> {
  const { steps, signal } = execution;
  const flights: Flight[] = [];
  let bytes = 0;
  let next = from;
  const stopWatching = cancelOnAbort(signal, () => flights.map(({ sent }) => sent));
  try {
    while (next < steps.length || flights.length > 0) {
      const room = flights.length < WINDOW && (bytes < WINDOW_BYTES || flights.length === 0);
      const step = steps[next];
      if (step !== undefined && room && !signal?.aborted) {
        const flight = await launch(execution, step, next);
        flights.push(flight);
        bytes += flight.message.text.length;
        next += 1;
        if (flight.index === from) {
          await started;
          announce(execution, from, watch);
        }
        continue;
      }
      const oldest = flights[0];
      if (oldest === undefined) return { kind: "aborted", next };
      const error = await settle(oldest);
      flights.shift();
      bytes -= oldest.message.text.length;
      if (error !== undefined) return { kind: "failed", flight: oldest, error };
      const applied = { tag: oldest.step.migration.tag, durationMs: oldest.durationMs };
      if (oldest.copy !== undefined) execution.onCopied(oldest.copy);
      execution.onApplied(applied);
      execution.onProgress({ kind: "migration-done", ...applied });
      announce(execution, oldest.index + 1, watch);
    }
    return { kind: "done" };
  } finally {
    // Until the rest is drained the cancels must go on.
    await Promise.allSettled(flights.map(({ sent }) => sent.reply));
    await stopWatching();
  }
}

/** The server begins with it now: it has the one before behind it. */
function announce({ steps, onProgress }: Execution, index: number, watch: BlockerWatch): void {
  const step = steps[index];
  if (step === undefined) return;
  const { tag } = step.migration;
  watch.begin(tag);
  onProgress({
    kind: "migration-started",
    tag,
    index,
    total: steps.length,
    statements: step.statements.length,
    resumedAt: step.resumeAt,
  });
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
async function settle(flight: Flight): Promise<ServerError | undefined> {
  try {
    const { command } = await flight.sent.reply;
    if (command === "COMMIT") return undefined;
    throw new TypeError(`${flight.step.migration.tag} ended with ${command} instead of COMMIT`);
  } catch (error) {
    if (isServerError(error)) return error;
    throw error;
  }
}
