import { isServerError, type Row, type Sent, type ServerError } from "../../connection/session.ts";
import { COPY } from "../ledger/event-copy.ts";
import { DURATION } from "../ledger/record.ts";
import type { MessageName } from "../run-types.ts";
import type { CodeTrouble } from "./code/code-trouble.ts";
import { runCode } from "./code/run-code.ts";
import { begunBefore, type Execution, type Part, type TransactionPart } from "./execution.ts";
import type { ServerErrorFields } from "./failure-text.ts";
import { settleInterrupted } from "./outside/resume.ts";
import { recordEnd, runOutside } from "./outside/run.ts";
import { MARKER, type Message, type Stage, stageOf, transactionMessage } from "./transaction.ts";

/** What has come back of a message. */
interface Live {
  /** The last marker. */
  marker: number | undefined;
  durationMs: number;
  /** Why the copy of the events stays behind; undefined where none was asked for. */
  copy: string | null | undefined;
}

/** A transaction's message on its way. */
interface Flight extends Live {
  readonly part: TransactionPart;
  readonly index: number;
  readonly message: Message;
  readonly sent: Sent;
}

/** A part that failed. Nothing that was sent after it has run. */
export interface PartFailure {
  readonly kind: "failed";
  readonly part: Part;
  /** Among the parts. */
  readonly index: number;
  readonly message: Message;
  readonly stage: Stage;
  readonly error: ServerErrorFields;
  /** What a statement outside transactions has left behind, as a sentence. */
  readonly left?: string;
  /** Of code: what it threw, or did. */
  readonly trouble?: CodeTrouble;
}

export type PipelineEnd =
  | { readonly kind: "done" }
  | PartFailure
  /** The signal came; parts from `next` on were not sent. */
  | { readonly kind: "aborted"; readonly next: number };

// The driver sends up to 100 messages ahead; beyond that it queues on its own. Behind a pooler
// there is one: PgBouncer up to 1.20 hands the server's connection on at the end of the first
// transaction, and when this client is gone the replies to the rest go to the next one.
const WINDOW = { direct: 64, pooled: 1 } as const;
const WINDOW_BYTES = 8 * 1024 * 1024;

/**
 * Runs the parts from `from` on. Transactions are sent ahead of the replies: the fence of each
 * proves that the one before it was committed, so after a failure the rest does nothing. A statement
 * outside transactions waits until nothing is on its way.
 *
 * @param started resolves when the first migration's `started` is committed
 * @throws LeaseLost, SessionLost, MigrateError, and what `started` throws
 */
export async function runPipeline(
  execution: Execution,
  from: number,
  started: Promise<unknown>,
): Promise<PipelineEnd> {
  const { parts, signal, lease } = execution;
  const flights: Flight[] = [];
  let bytes = 0;
  let next = from;
  let begun = false;
  const window = lease.direct ? WINDOW.direct : WINDOW.pooled;
  if (!lease.direct) await started;
  const begin = async () => {
    await started;
    if (!begun) announce(execution, from);
    begun = true;
  };
  try {
    while (next < parts.length || flights.length > 0) {
      const part = signal?.aborted ? undefined : parts[next];
      const oldest = flights[0];
      // No fence can stand before it, or something must be settled first: it waits for the rest.
      if (part && (part.kind !== "transaction" || begunBefore(execution, part) !== null)) {
        if (oldest === undefined) {
          await begin();
          const end = await runByItself(execution, part, next);
          if (typeof end === "object") return end;
          if (end === "done") next += 1;
          if (end === "done") announce(execution, next);
          continue;
        }
      } else if (part !== undefined) {
        const room = flights.length < window && (bytes < WINDOW_BYTES || oldest === undefined);
        if (room) {
          const flight = await launch(execution, part, next, flights.length);
          flights.push(flight);
          bytes += flight.message.text.length;
          next += 1;
          if (flight.index === from) await begin();
          continue;
        }
      }
      if (oldest === undefined) return { kind: "aborted", next };
      const error = await settle(oldest);
      flights.shift();
      bytes -= oldest.message.text.length;
      if (error !== undefined) return failureOf(oldest, error);
      execution.counter.committed += 1;
      if (oldest.copy !== undefined) execution.onCopied(oldest.copy);
      finish(execution, oldest.part, oldest.durationMs);
      announce(execution, oldest.index + 1);
    }
    return { kind: "done" };
  } finally {
    // Nothing is sent after a failure before the rest is drained.
    await Promise.allSettled(flights.map(({ sent }) => sent.reply));
  }
}

/** @returns `open` where the part must be run as a transaction now */
async function runByItself(
  execution: Execution,
  part: Part,
  index: number,
): Promise<"done" | "open" | PartFailure> {
  let begun = begunBefore(execution, part);
  try {
    if (begun !== null) {
      const found = await settleInterrupted(execution, part, begun);
      begun = null;
      execution.begun.set(part, null);
      if (found === "done") {
        finish(execution, part, await recordEnd(execution, part));
        return "done";
      }
    }
    if (part.kind === "transaction") return "open";
    const end =
      part.kind === "code" ? await runCode(execution, part) : await runOutside(execution, part);
    if (typeof end === "object") return { kind: "failed", part, index, ...end };
    finish(execution, part, end);
    return "done";
  } catch (error) {
    if (!isServerError(error)) throw error;
    const message: Message = { text: "", statements: [], starts: [] };
    const failed = { kind: "failed", part, index, message, error } as const;
    if (begun === null) return { ...failed, stage: { kind: "record" } };
    const left = `What ${begun.label} left behind is not settled: the next run checks again.`;
    return { ...failed, stage: { kind: "interrupted" }, left };
  }
}

function finish({ onApplied, onProgress }: Execution, part: Part, durationMs: number): void {
  if (!part.isLast) return;
  const applied = { tag: part.step.migration.tag, durationMs };
  onApplied(applied);
  onProgress({ kind: "migration-done", ...applied, ...directionOf(part) });
}

/** The server begins with it now: it has done the one before. */
function announce({ parts, steps, watch, onProgress }: Execution, index: number): void {
  const part = parts[index];
  if (part === undefined) return;
  const { step, stepIndex } = part;
  const { tag } = step.migration;
  watch.begin(tag);
  if (!part.isFirst) return;
  onProgress({
    kind: "migration-started",
    tag,
    index: stepIndex,
    total: steps.length,
    statements: step.total,
    resumedAt: step.resumeAt,
    ...directionOf(part),
  });
}

function directionOf({ step }: Part): { readonly direction?: "down" } {
  return step.down === undefined ? {} : { direction: "down" };
}

async function launch(
  execution: Execution,
  part: TransactionPart,
  index: number,
  ahead: number,
): Promise<Flight> {
  const message = transactionMessage(execution, execution.counter.committed + ahead, part);
  const live: Live = { marker: undefined, durationMs: 0, copy: undefined };
  const { tag } = part.step.migration;
  const whole = part.isFirst && part.isLast && part.step.resumeAt === 0;
  const name: MessageName = whole ? `migration:${tag}` : `migration:${tag}#${part.from + 1}`;
  const onRow = (row: Row) => {
    if (MARKER in row) live.marker = Number(row[MARKER]);
    else if (DURATION in row) live.durationMs = Number(row[DURATION]);
    else if (COPY in row) live.copy = row[COPY] as string | null;
  };
  const sent = await execution.session.send(name, message.text, { onRow });
  return Object.assign(live, { part, index, message, sent });
}

/** Waits for a message's reply; a server error is returned, a loss is thrown. */
async function settle({ part, sent }: Flight): Promise<ServerError | undefined> {
  try {
    const { command } = await sent.reply;
    if (command === "COMMIT") return undefined;
    const { tag } = part.step.migration;
    throw new TypeError(`${tag} ended with ${command} instead of COMMIT`);
  } catch (error) {
    if (isServerError(error)) return error;
    throw error;
  }
}

function failureOf({ part, index, message, marker }: Flight, error: ServerError): PartFailure {
  return { kind: "failed", part, index, message, stage: stageOf(message, marker), error };
}
