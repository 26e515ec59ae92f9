import type { Blocker, PlannedStep, PlanReport } from "../migrate/index.ts";
import type { Work } from "../sql-tree/locks/effect.ts";
import type { LockMode } from "../sql-tree/locks/lock-modes.ts";
import type { Figures } from "./figures.ts";

/** A lock that a statement will take. */
export interface ForecastLock {
  readonly mode: LockMode;
  /** A stronger one that its transaction holds by then; or null. */
  readonly held: LockMode | null;
  /** With its schema, where that is known. */
  readonly table: string;
  readonly work: Work;
  /** The run makes the table: nobody waits. */
  readonly isNew: boolean;
  /** Sessions that it would wait for now. */
  readonly waitsFor: readonly number[];
}

export interface ForecastStatement {
  /** Number in the file, from 1. */
  readonly statement: number;
  readonly locks: readonly ForecastLock[];
  /** What may take locks that are not known: `a DO block`; or null. */
  readonly unseen: string | null;
  /** Built CONCURRENTLY: sessions whose snapshots it would wait for now. */
  readonly waitsForSnapshots: readonly number[];
}

export interface ForecastStep extends PlannedStep {
  readonly forecast: readonly ForecastStatement[];
}

export interface ForecastTable extends Figures {
  readonly table: string;
}

/** A plan, with what it will lock, and whom it would wait for now. */
export interface Forecast extends Omit<PlanReport, "steps"> {
  readonly steps: readonly ForecastStep[];
  readonly tables: readonly ForecastTable[];
  /** Sessions that are in the way now. */
  readonly sessions: readonly Blocker[];
  /** Transactions that are open for longer than a second, the oldest first. */
  readonly longTransactions: readonly Blocker[];
  /** Between the two looks that give the writes a second. */
  readonly sampleMs: number;
  /** What could not be seen. */
  readonly notes: readonly string[];
}
