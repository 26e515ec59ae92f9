import { Problem } from "../base/problem.ts";
import { MigrateError } from "../migrate/index.ts";

/** What is thrown for an error of a comparison. */
export function toMigrateError(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) {
    return new MigrateError({
      code: "canceled",
      fact: "Canceled.",
      outcome: "nothing-compared",
      remedy: "The database is as it was.",
      cause: error,
    });
  }
  if (error instanceof MigrateError || !(error instanceof Error)) return error;
  if (!(error instanceof Problem)) return error;
  const { code, fact, remedy } = error;
  return new MigrateError({
    code: code === "config" ? "config" : "connect",
    ...(error.name === "EmbeddedServerError"
      ? {
          fact: `The embedded PostgreSQL for the replay cannot be used: ${fact}`,
          remedy: "Name another server for scratch databases with --scratch-url.",
        }
      : { fact, remedy: remedy || "Try again." }),
    outcome: "nothing-compared",
    cause: error,
  });
}
