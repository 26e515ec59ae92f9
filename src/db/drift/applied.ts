import {
  MigrateError,
  type MigrateErrorCode,
  type MigrationStatus,
  type RepeatableFlag,
  type StatusReport,
  type Tag,
  withParts,
} from "../migrate/index.ts";

/** What to compare a database with. */
export type AppliedSet = ReturnType<typeof appliedSet>;

/**
 * Tells from a status which migrations are applied; pure.
 *
 * @throws MigrateError where that is unclear, or their files are not those of this folder:
 * `adopt_required`, `checksum_mismatch`, `missing_file`, `lock_timeout`, `in_doubt`, `migration_failed`
 */
export function appliedSet(status: StatusReport) {
  for (const problem of status.problems) refuse(problem);
  if (status.newer) throw aheadOf(status);
  for (const migration of status.migrations) refuseHalfDone(migration);
  const pending = status.migrations
    .filter(({ state, flags }) => state.kind !== "DONE" && !flags.includes("MISSING"))
    .map(({ tag }) => tag);
  const unfilled = new Set(status.backfills.map(({ tag }) => tag));
  return {
    /** In the history's order, each with the role that ran it. */
    migrations: status.migrations.flatMap(({ tag, state }): readonly AppliedMigration[] =>
      state.kind === "DONE"
        ? [{ tag, by: state.owner.user, ...(unfilled.has(tag) && { isUnfilled: true }) }]
        : [],
    ),
    /** Those that ran here with the text that is on disk, each with the role that ran it. */
    repeatables: status.repeatables.flatMap(({ tag, name, state, flags, by }) =>
      state === "DONE" && !flags.some((flag) => NOT_HERE.has(flag)) && by !== null
        ? [{ tag, name, by: by.user }]
        : [],
    ),
    /** Those whose text here is not the one on disk: what they made cannot be compared. */
    unknownRepeatables: status.repeatables
      .filter(({ state, flags }) => state !== "DONE" || flags.some((flag) => NOT_HERE.has(flag)))
      .map(({ tag }) => tag),
    pending,
    version: status.version,
    warnings: status.warnings.map(({ message }) => message),
  };
}

interface AppliedMigration {
  readonly tag: Tag;
  /** Role that ran it. */
  readonly by: string;
  /** Its backfill in the background is not done. */
  readonly isUnfilled?: true;
}

const NOT_HERE: ReadonlySet<RepeatableFlag> = new Set(["CHANGED", "OLDER", "MISSING"]);

function refuse(problem: MigrateError): void {
  switch (problem.code) {
    case "adopt_required":
    // A rollback has stopped half-way.
    case "in_doubt":
    case "checksum_mismatch":
    case "missing_file":
      throw withParts(problem, { outcome: "nothing-compared" });
    default:
    // It forbids a run, but no comparison.
  }
}

function aheadOf({ migrations, version }: StatusReport): MigrateError {
  const names = migrations.filter(({ flags }) => flags.includes("MISSING")).map(({ tag }) => tag);
  return new MigrateError({
    code: "missing_file",
    fact: `The database is at ${version}, ahead of this checkout, which lacks ${names.join(", ")}.`,
    outcome: "nothing-compared",
    remedy:
      "What these make is not known here. Compare with the release that was deployed last " +
      "(`git fetch`, and check it out).",
  });
}

const UNFINISHED = {
  PENDING: "was not finished",
  FAILED: "has failed",
  STUCK: "was interrupted",
} as const;

/** A partly committed migration cannot be compared: the database is in between. */
function refuseHalfDone({ tag, state }: MigrationStatus): void {
  const refusal = (code: MigrateErrorCode, fact: string, remedy: string) =>
    new MigrateError({ code, tag, fact: `${tag} ${fact}`, outcome: "nothing-compared", remedy });
  if (state.kind === "DONE") return;
  if (state.kind === "STARTED") {
    const { user, host, processId } = state.owner;
    throw refusal(
      "lock_timeout",
      `is being applied by ${user}@${host} (process ${processId}).`,
      "Wait until it has finished: tidemark wait && tidemark drift",
    );
  }
  const { statementsDone } = state;
  const what = UNFINISHED[state.kind];
  const doubt = state.kind === "PENDING" ? undefined : state.doubt;
  if (doubt !== undefined) {
    const fact = `${what}: statement ${doubt.statement} was started, but its end is not recorded.`;
    // Where the catalog tells, the next run finds out by itself.
    throw doubt.needsAnswer
      ? refusal(
          "in_doubt",
          fact,
          `Check whether it took effect, then tidemark resolve ${tag} --done or --retry, then tidemark migrate.`,
        )
      : refusal(
          "migration_failed",
          fact,
          "The next run finds out what became of it: tidemark migrate",
        );
  }
  if (statementsDone === 0) return;
  const committed = statementsDone === 1 ? "one statement is" : `${statementsDone} statements are`;
  throw refusal(
    "migration_failed",
    `${what}, and ${committed} committed: the database is in the middle of it.`,
    "Finish it first: tidemark migrate",
  );
}
