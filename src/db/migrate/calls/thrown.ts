import { Problem } from "../../base/problem.ts";
import { QUERY_CANCELED } from "../../base/sqlstate.ts";
import { duration } from "../../base/text.ts";
import { type DeadlineReached, deadlineOf } from "../../connection/deadline.ts";
import { NoAnswer, SessionLost } from "../../connection/loss.ts";
import { isServerError } from "../../connection/session.ts";
import { canceledError, EXIT_CODES, MigrateError, type MigrateErrorCode } from "../errors.ts";
import { ledgerError } from "../ledger/server-error.ts";

/** What the ledger's reading and writing may throw; anything else is a defect of ours. */
export function asMigrateError(error: unknown, schema: string): unknown {
  if (isServerError(error)) return ledgerError(schema, error);
  if (error instanceof Problem && !(error instanceof MigrateError)) return ofConnection(error);
  if (error instanceof SessionLost) {
    return new MigrateError({
      code: "connect",
      fact: `${error.message}.`,
      remedy: "Check the server's log, then run it again.",
      cause: error,
    });
  }
  return error;
}

/** The rooms below the engine have errors of their own, for what the engine's codes name too. */
export function ofConnection({ code, fact, outcome, remedy, place, cause }: Problem): MigrateError {
  const isKnown = (name: string): name is MigrateErrorCode => name in EXIT_CODES;
  return new MigrateError({
    code: isKnown(code) ? code : "connect",
    fact,
    outcome,
    remedy,
    place,
    cause,
  });
}

/**
 * The error of a call whose signal has come: the one that says so, unless what was thrown says more.
 * Undefined where the signal has not come.
 */
export function stoppedError(
  signal: AbortSignal | undefined,
  error: unknown,
): MigrateError | undefined {
  if (!signal?.aborted) return undefined;
  if (error instanceof MigrateError && !isCanceledMessage(error)) return error;
  const reached = deadlineOf(signal);
  if (reached !== undefined) return deadlineError(reached, error);
  return canceledError(error, error instanceof NoAnswer ? error.message : undefined);
}

/** A message of the ledger's own that the cancel has hit: not a migration, whose error is recorded. */
function isCanceledMessage({ tag, cause }: MigrateError): boolean {
  return tag === undefined && isServerError(cause) && cause.code === QUERY_CANCELED;
}

/** The error of a run whose time was over while it waited, or between two migrations. */
function deadlineError(reached: DeadlineReached, cause: unknown): MigrateError {
  return new MigrateError({
    code: "lock_timeout",
    fact: `The run's deadline of ${duration(reached.deadlineMs)} was reached.`,
    outcome: "nothing-run",
    remedy: "Run it again, with a longer --deadline; it goes on from what is recorded.",
    cause,
  });
}
