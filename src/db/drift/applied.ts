import {
  MigrateError,
  type MigrationStatus,
  type StatusReport,
  type Tag,
  withParts,
} from "../migrate/index.ts";

/** What a database is to be compared with. */
export interface AppliedSet {
  /** In the history's order. */
  readonly migrations: readonly {
    readonly tag: Tag;
    /** Role that ran it. */
    readonly by: string;
  }[];
  readonly pending: readonly Tag[];
  readonly version: Tag | undefined;
  readonly warnings: readonly string[];
}

/**
 * Reads off a status which migrations are applied; pure.
 *
 * @throws MigrateError where that cannot be said, or their files are not those of this folder:
 * `adopt_required`, `checksum_mismatch`, `missing_file`, `lock_timeout`, `in_doubt`, `migration_failed`
 */
export function appliedSet(status: StatusReport): AppliedSet {
  for (const problem of status.problems) refuse(problem);
  if (status.newer) throw aheadOf(status);
  for (const migration of status.migrations) refuseHalfDone(migration);
  const pending = status.migrations
    .filter(({ state, flags }) => state.kind !== "DONE" && !flags.includes("MISSING"))
    .map(({ tag }) => tag);
  return {
    migrations: status.migrations.flatMap(({ tag, state }) =>
      state.kind === "DONE" ? [{ tag, by: state.owner.user }] : [],
    ),
    pending,
    version: status.version,
    warnings: status.warnings.map(({ message }) => message),
  };
}

function refuse(problem: MigrateError): void {
  switch (problem.code) {
    case "adopt_required":
      throw withParts(problem, {
        outcome: "nothing-compared",
        remedy:
          "No ledger says which of the files were applied. " +
          "Tidemark cannot take over such a database yet.",
      });
    case "checksum_mismatch":
    case "missing_file":
      throw withParts(problem, { outcome: "nothing-compared" });
    default:
    // Forbids a run, and no comparison.
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

/** One of which a part is committed makes neither what it makes nor nothing. */
function refuseHalfDone({ tag, state }: MigrationStatus): void {
  switch (state.kind) {
    case "DONE":
      return;
    case "STARTED":
      throw new MigrateError({
        code: "lock_timeout",
        tag,
        fact: `${tag} is being applied by ${state.owner.user}@${state.owner.host} (process ${state.owner.processId}).`,
        outcome: "nothing-compared",
        remedy: "Wait for its end: tidemark wait && tidemark drift",
      });
    case "PENDING":
      if (state.statementsDone > 0) throw halfDone(tag, state.statementsDone, "was not finished");
      return;
    case "FAILED":
    case "STUCK": {
      const { doubt, statementsDone } = state;
      const what = state.kind === "FAILED" ? "has failed" : "was interrupted";
      if (doubt !== undefined) {
        throw new MigrateError({
          // Of what the catalog tells, the next run finds out: nobody has to answer.
          code: doubt.needsAnswer ? "in_doubt" : "migration_failed",
          tag,
          fact: `${tag} ${what}: statement ${doubt.statement} was begun, and its end is not recorded.`,
          outcome: "nothing-compared",
          remedy: doubt.needsAnswer
            ? `See for yourself, then tidemark resolve ${tag} --done or --retry, then tidemark migrate.`
            : "The next run looks what became of it: tidemark migrate",
        });
      }
      if (statementsDone > 0) throw halfDone(tag, statementsDone, what);
    }
  }
}

function halfDone(tag: Tag, statementsDone: number, what: string): MigrateError {
  const committed = statementsDone === 1 ? "one statement is" : `${statementsDone} statements are`;
  return new MigrateError({
    code: "migration_failed",
    tag,
    fact: `${tag} ${what}, and ${committed} committed: the database stands in the middle of it.`,
    outcome: "nothing-compared",
    remedy: "Bring it to its end first: tidemark migrate",
  });
}
