import { Problem, type ProblemParts } from "../base/problem.ts";
import type { RecordedError, Tag } from "./types.ts";

/** Exit code of each error code. The CLI ends with it; an application may. */
export const EXIT_CODES = {
  migration_failed: 1,
  connect: 1,
  lease_lost: 1,
  irreversible: 1,
  data_loss: 1,
  config: 2,
  usage: 2,
  history_invalid: 2,
  missing_file: 2,
  unsupported_statement: 2,
  ledger_newer: 2,
  verify_failed: 4,
  drift: 4,
  checksum_mismatch: 4,
  out_of_order: 4,
  conflict: 4,
  adopt_required: 4,
  not_clean: 4,
  lock_timeout: 5,
  in_doubt: 6,
  canceled: 130,
} as const;

export type MigrateErrorCode = keyof typeof EXIT_CODES;

/** Exit code of `status --check` when something is pending. */
export const EXIT_PENDING = 3;

export interface MigrateErrorParts extends ProblemParts<MigrateErrorCode> {
  readonly tag?: Tag | undefined;
  /** The server's error, as the ledger keeps it. */
  readonly recorded?: RecordedError | undefined;
  /** What failed, as printed, without the state that it leaves behind; the fact by default. */
  readonly failure?: string | undefined;
  /** Migrations that this run applied before the error. */
  readonly applied?: readonly Tag[];
  /** Migrations that this run took back before the error. */
  readonly reverted?: readonly Tag[];
  /** Migrations that were to run and did not. */
  readonly notRun?: readonly Tag[];
}

/** The same in every copy of this module that a process holds. */
const MARK = Symbol.for("tidemark.MigrateError");

/**
 * The one error of the engine. `message` is the fact, the values, the outcome and the remedy;
 * match on `code`, never on the text. `instanceof` holds for those of any copy of the package in the process:
 * ES modules, CommonJS, a bundle.
 */
export class MigrateError extends Problem<MigrateErrorCode> {
  override readonly name = "MigrateError";
  readonly tag: Tag | undefined;
  readonly recorded: RecordedError | undefined;
  /** What failed, as printed, without the state that it leaves behind. */
  readonly failure: string;
  readonly applied: readonly Tag[];
  /** Of a rollback. */
  readonly reverted: readonly Tag[];
  readonly notRun: readonly Tag[];

  constructor(parts: MigrateErrorParts) {
    super(parts);
    this.tag = parts.tag;
    this.recorded = parts.recorded;
    this.failure = parts.failure ?? parts.fact;
    this.applied = parts.applied ?? [];
    this.reverted = parts.reverted ?? [];
    this.notRun = parts.notRun ?? [];
  }

  /** Exit code of a process that ends with this error. */
  get exitCode(): number {
    return EXIT_CODES[this.code];
  }
}

Object.defineProperty(MigrateError.prototype, MARK, { value: true });
Object.defineProperty(MigrateError, Symbol.hasInstance, {
  value(this: unknown, value: unknown): boolean {
    // A class that extends it inherits this, and has the ordinary `instanceof`.
    if (this !== MigrateError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && MARK in value;
  },
});

/** The same error with some of its parts replaced; the first one is its cause. */
export function withParts(error: MigrateError, parts: Partial<MigrateErrorParts>): MigrateError {
  const { code, fact, outcome, remedy, place, tag, recorded, applied, reverted, notRun } = error;
  const same = { code, fact, outcome, remedy, place, tag, recorded, applied, reverted, notRun };
  const failure = parts.fact ?? error.failure;
  return new MigrateError({ ...same, failure, cause: error, ...parts });
}

/** The same error, of a run that had applied something before it; of a rollback, taken it back. */
export function afterDoing(
  error: MigrateError,
  verb: "applied" | "reverted",
  tags: readonly Tag[],
): MigrateError {
  if (tags.length === 0 || error[verb].length > 0) return error;
  // Commits in the middle of a run are not waited for until they are on disk.
  const committed =
    error.code === "connect"
      ? "committed. A server that crashed may have lost the last of them, together with its record: `tidemark status` shows what is there"
      : "committed and recorded";
  return withParts(error, {
    fact: `${error.fact}\nBefore that, this run ${verb} ${tags.join(", ")}: ${committed}.`,
    failure: error.failure,
    // Something was.
    outcome: error.outcome === "nothing-run" ? undefined : error.outcome,
    [verb]: tags,
  });
}

/**
 * The error of a run that was told to stop between two migrations, or before the first.
 *
 * @param noAnswer what the server did not answer to, where it was given up
 */
export function canceledError(cause: unknown, noAnswer?: string): MigrateError {
  return new MigrateError({
    code: "canceled",
    fact: noAnswer === undefined ? "Canceled." : `Canceled: ${noAnswer}.`,
    outcome: noAnswer === undefined ? "nothing-run" : undefined,
    remedy:
      noAnswer === undefined
        ? "Run it again; it goes on from what is recorded."
        : "Whether the last messages took effect is not known: `tidemark status` shows it once the server answers. " +
          "Run it again; it goes on from what is recorded.",
    cause,
  });
}

/** An error as the ledger keeps it, of which only the given fields are known. */
export function recordedError(
  error: Pick<RecordedError, "message" | "text"> & Partial<RecordedError>,
): RecordedError {
  return {
    sqlState: null,
    detail: null,
    hint: null,
    where: null,
    file: null,
    line: null,
    column: null,
    statement: null,
    statements: null,
    ...error,
  };
}

/** For the `default` of a switch over a closed union. */
export function assertNever(value: never): never {
  throw new TypeError(`unexpected value: ${JSON.stringify(value)}`);
}
