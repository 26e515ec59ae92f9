import { MigrateError } from "../migrate/index.ts";

/** What is thrown for an error of a comparison. */
export function toMigrateError(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) {
    return new MigrateError({
      code: "canceled",
      fact: "Canceled.",
      remedy: "Nothing was compared, and the database is as it was.",
      cause: error,
    });
  }
  if (error instanceof MigrateError || !(error instanceof Error)) return error;
  // By their names: their modules are loaded by those alone who need them.
  if (error.name === "CatalogError") return fromCatalog(error as Error & Partial<KnownParts>);
  if (error.name === "DatabaseError") {
    return new MigrateError({
      code: "connect",
      fact: error.message,
      remedy: "Nothing was compared. Try again.",
      cause: error,
    });
  }
  if (error.name === "EmbeddedServerError") {
    return new MigrateError({
      code: "connect",
      fact: `The embedded PostgreSQL for the replay cannot be used: ${error.message}`,
      remedy: "Nothing was compared. Name another server for scratch databases with --scratch-url.",
      cause: error,
    });
  }
  return error;
}

interface KnownParts {
  readonly code: string;
  readonly fact: string;
  readonly remedy: string;
}

function fromCatalog(error: Error & Partial<KnownParts>): MigrateError {
  return new MigrateError({
    code: error.code === "config" ? "config" : "connect",
    fact: error.fact ?? error.message,
    remedy: error.remedy ?? "Nothing was compared.",
    cause: error,
  });
}
