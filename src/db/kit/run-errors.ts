import { MigrateError } from "../migrate/index.ts";

export function canceled(): MigrateError {
  return new MigrateError({
    code: "canceled",
    fact: "Canceled.",
    outcome: "nothing-written",
    remedy: "The migrations folder is as it was.",
  });
}

/** @throws MigrateError `config` for a database that is not PostgreSQL */
export function refuseDialect(dialect: string): void {
  if (dialect === "postgresql") return;
  throw new MigrateError({
    code: "config",
    fact: `The drizzle configuration has the dialect ${dialect}.`,
    outcome: "nothing-written",
    remedy: 'Tidemark only migrates PostgreSQL: the dialect "postgresql".',
  });
}
