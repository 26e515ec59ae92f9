/** One thing that is wrong, or that a person should look at. */
export interface Finding {
  readonly level: "error" | "warning";
  /** What is so, with the values. */
  readonly fact: string;
  /** What to do about it. */
  readonly remedy: string;
  /** Of the project, as people name it: `drizzle/0003_add_orgs.sql`. */
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
  /** From 1, in code points. */
  readonly column?: number;
}

/** What `verify` looks at, in its order. */
export const CHECKS = {
  schema: "Nothing is left to generate from the Drizzle schema",
  files: "The journal, the files and the snapshots agree",
  sum: "tidemark.sum is that of the files",
  base: "Nothing that the base has was edited or taken away",
  order: "New migrations come after those of the base",
  sql: "The SQL can be run",
  replay: "All migrations run on an empty database",
  rerun: "A second run does nothing",
  drizzle: "The replay makes what the Drizzle schema says",
  down: "Each down file leads back, and the migration runs again",
} as const;

export type CheckName = keyof typeof CHECKS;

export interface CheckResult {
  readonly name: CheckName;
  /** What holds where it passed. */
  readonly title: string;
  /**
   * `blocked`: it could not be looked at, because of another that failed. `skipped`: there was nothing
   * to hold the project against.
   */
  readonly status: "passed" | "failed" | "blocked" | "skipped";
  /** What was looked at: `3 down files`. */
  readonly detail: string | undefined;
  readonly findings: readonly Finding[];
  readonly durationMs: number;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly checks: readonly CheckResult[];
  readonly durationMs: number;
}

/** What a check comes to. */
export interface Outcome {
  readonly findings: readonly Finding[];
  readonly detail?: string | undefined;
  /** There was nothing to look at, or to hold it against: `detail` says why. */
  readonly skipped?: boolean;
}

/** Ends a check that has nothing to look at, because of another. */
export class BlockedError extends Error {
  override readonly name = "BlockedError";
}
