import type { PgRemoteDatabase } from "drizzle-orm/pg-proxy";
import type {
  BackfillDefinition,
  BatchContext,
  StepContext,
  StepDefinition,
} from "../migrate/index.ts";

export type { StepRow, StepSql } from "../migrate/index.ts";
export { setNotNull } from "./set-not-null.ts";

/** drizzle-orm of the project, on the step's own transaction. */
export type StepDatabase = PgRemoteDatabase;

/** What `check` and `run` are given. */
export type Context = StepContext<StepDatabase>;

/** A code step: the default export of `<tag>.ts` beside `<tag>.sql`. */
export type Step = StepDefinition<StepDatabase>;

/**
 * Defines the code step of a migration, which runs after its SQL, once: in one transaction with the record
 * that it did.
 */
export function defineStep(step: Step): Step {
  // What tells it from other exports, whichever copy of the package loads it.
  return Object.freeze({ ...step, [Symbol.for("tidemark.code")]: "step" });
}

/** What `run` of a backfill is given for a batch. */
export type BackfillBatch = BatchContext<StepDatabase>;

/** A backfill: the default export of `<tag>.ts` beside `<tag>.sql`. */
export type Backfill = BackfillDefinition<StepDatabase>;

/**
 * Defines a backfill that runs after the SQL of its migration: rows are filled in batches by key, each in a transaction
 * that also commits how far it is, so that a killed runner goes on at the next batch.
 */
export function defineBackfill(backfill: Backfill): Backfill {
  return Object.freeze({ ...backfill, [Symbol.for("tidemark.code")]: "backfill" });
}
