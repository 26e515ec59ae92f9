import { canceledError, MigrateError } from "../errors.ts";
import { deadlineError, deadlineOf } from "./deadline.ts";
import { ledgerError, QUERY_CANCELED } from "./ledger.ts";
import { NoAnswer, SessionLost } from "./loss.ts";
import { isServerError } from "./session.ts";

/** What the ledger's reading and writing may throw; anything else is a defect of ours. */
export function asMigrateError(error: unknown, schema: string): unknown {
  if (isServerError(error)) return ledgerError(schema, error);
  if (error instanceof SessionLost) {
    return new MigrateError({
      code: "connect",
      fact: `${error.message}.`,
      remedy: "Look at the server's log, then run it again.",
      cause: error,
    });
  }
  return error;
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
