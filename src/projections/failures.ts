import { DrizzleQueryError } from "drizzle-orm";
import { messageOf } from "../db/base/problem.ts";
import { oneLine } from "../db/base/text.ts";
import { DatabaseError, type DatabaseErrorCode } from "../db/pool/index.ts";
import { EventStoreError, serverError } from "../eventstore/index.ts";
import { ProjectionError } from "./projection-error.ts";

/** What the handler did wrong, although the pool says it. */
const HANDLERS_FAULT: ReadonlySet<DatabaseErrorCode> = new Set([
  "config",
  "parameter",
  "too_many_rows",
  "transaction_aborted",
  "transaction_control",
  "transaction_over",
  "unsupported",
] as const);

/** Connection, rollback by the server (deadlock, serialization), resources, shutdown, time-outs. */
const TRANSIENT_CLASSES = new Set(["08", "40", "53", "57"]);
const LOCK_NOT_AVAILABLE = "55P03";
export const IN_FAILED_TRANSACTION = "25P02";

/** A table, column, function, schema or right that is missing. */
const OF_THE_RELEASE = new Set(["42P01", "42703", "42883", "3F000", "42501"]);

/**
 * Whether the event is not to blame, nor its aggregate to be put aside: what is transient, and what
 * follows from the release: a migration that has not run yet, a right that was not given, an event
 * that only a newer release knows, which runs beside this one and will handle it.
 */
export function isNotOfTheEvent(error: unknown): boolean {
  if (isTransient(error)) return true;
  if (error instanceof EventStoreError && error.code === "unknown_event") return true;
  return OF_THE_RELEASE.has(serverError(error)?.sqlState ?? "");
}

/** Whether the same may succeed in a moment, as it is. */
export function isTransient(error: unknown): boolean {
  const databaseError = inChain(error, (link) => link instanceof DatabaseError);
  if (databaseError instanceof DatabaseError) return !HANDLERS_FAULT.has(databaseError.code);
  const state = serverError(error)?.sqlState;
  if (state === undefined) return false;
  return TRANSIENT_CLASSES.has(state.slice(0, 2)) || state === LOCK_NOT_AVAILABLE;
}

/** What says something about the handler as a whole, whatever the events. */
export function fatalOf(error: unknown): ProjectionError | undefined {
  const found = inChain(
    error,
    (link) => link instanceof ProjectionError && link.code === "live_table",
  );
  return found instanceof ProjectionError ? found : undefined;
}

/** For `failed_events.error`, a log, a page: one line, with the cause that says more. */
export function textOf(error: unknown): string {
  const texts: string[] = [];
  inChain(error, (link) => {
    // drizzle's own message is the statement with all its parameters.
    if (!(link instanceof DrizzleQueryError)) texts.push(messageOf(link));
    return false;
  });
  const text = oneLine(texts.join(": ").replaceAll("\0", "\uFFFD"), 2_000);
  return text === "" ? "an error without a message" : text;
}

function inChain(error: unknown, matches: (link: unknown) => boolean): unknown {
  let link = error;
  for (let depth = 0; depth < 8 && link !== undefined && link !== null; depth += 1) {
    if (matches(link)) return link;
    link = link instanceof Error ? link.cause : undefined;
  }
  return undefined;
}
