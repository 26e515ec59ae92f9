import type { MigrateError } from "../migrate/index.ts";

/** One thing that is wrong, or that a person should look at. */
export interface Finding {
  readonly level: "error" | "warning";
  /** What was found, with the values. */
  readonly fact: string;
  /** What to do about it. */
  readonly remedy: string;
  /** Within the project, as people name it: `drizzle/0003_add_orgs.sql`. */
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
  /** From 1, in code points. */
  readonly column?: number;
}

/** An error as a finding, with its place where that is known. */
export function errorFinding({ fact, remedy, place, recorded }: MigrateError): Finding {
  const { line, column } = recorded ?? place ?? {};
  return {
    ...{ level: "error", fact, remedy },
    ...(place && { file: place.file }),
    ...(line && { line }),
    ...(column && { column }),
  };
}

export function isError({ level }: Finding): boolean {
  return level === "error";
}

/** The checks of `verify`, in their order, each as what holds where it passes. */
export const CHECKS = {
  schema: "Nothing is left to generate from the Drizzle schema",
  files: "The files and the snapshots agree",
  sum: "tidemark.sum matches the files",
  base: "Nothing that the base has was edited or removed",
  order: "New migrations come after those of the base",
  sql: "The SQL can be run",
  replay: "All migrations run on an empty database",
  rerun: "A second run does nothing",
  drizzle: "The replay makes what the Drizzle schema says",
  repeatables: "The repeatables run after them, and a second run does nothing",
  down: "Each down file leads back, and the migration runs again",
} as const;

export type CheckName = keyof typeof CHECKS;

export interface CheckResult {
  readonly name: CheckName;
  /** What holds where it passed. */
  readonly title: string;
  /**
   * `blocked`: it could not run, because another check failed. `skipped`: there was nothing to
   * compare the project with.
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

/** What a check found. */
export interface Outcome {
  readonly findings: readonly Finding[];
  readonly detail?: string | undefined;
  /** There was nothing to look at, or to compare with: `detail` says why. */
  readonly skipped?: boolean;
}

/** Ends a check that cannot run, because another failed. */
export class BlockedError extends Error {
  override readonly name = "BlockedError";
}
