import { MigrateError } from "../errors.ts";
import { ledgerError } from "./ledger.ts";
import { SessionLost } from "./loss.ts";
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
