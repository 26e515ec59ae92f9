import { Problem } from "../base/problem.ts";
import { MigrateError } from "../migrate/index.ts";

/** What a comparison throws for an error of one of its parts. */
export function toMigrateError(error: unknown, signal: AbortSignal | undefined): unknown {
  const outcome = "nothing-compared";
  if (signal?.aborted) {
    const remedy = "The database is as it was.";
    return new MigrateError({ code: "canceled", fact: "Canceled.", outcome, remedy, cause: error });
  }
  if (error instanceof MigrateError || !(error instanceof Problem)) return error;
  const { code, fact, remedy } = error;
  return new MigrateError({
    code: code === "config" ? "config" : "connect",
    ...(error.name === "EmbeddedServerError"
      ? {
          fact: `The embedded PostgreSQL for the replay cannot be used: ${fact}`,
          remedy: "Name another server for scratch databases with --scratch-url.",
        }
      : { fact, remedy: remedy || "Try again." }),
    outcome,
    cause: error,
  });
}
