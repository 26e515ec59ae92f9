import { MigrateError } from "../errors.ts";
import { withCode } from "../history/checksum.ts";
import type { LedgerRow } from "../ledger-types.ts";
import type { History, Migration, Tag } from "../types.ts";
import { unknownRequirements } from "./held-back.ts";

/** Everything that forbids a run, worst first. */
export function findProblems(
  history: History,
  rows: ReadonlyMap<Tag, LedgerRow>,
  found: {
    readonly newer: boolean;
    readonly missingOnDisk: readonly LedgerRow[];
    readonly pending: readonly Migration[];
    readonly newestApplied: Migration | undefined;
    readonly halfWay: MigrateError | undefined;
    readonly existing: readonly MigrateError[];
    readonly allowOutOfOrder: boolean;
  },
): readonly MigrateError[] {
  return [
    ...(found.halfWay === undefined ? [] : [found.halfWay]),
    ...found.existing,
    ...unknownRequirements(history),
    ...changedFiles(history, rows),
    ...(found.newer ? [] : missingFiles(history, found.missingOnDisk)),
    ...(found.allowOutOfOrder ? [] : outOfOrder(found.pending, found.newestApplied)),
  ];
}

/** @throws MigrateError `usage` where the history has no such tag */
export function refuseUnknownTarget(history: History, to: Tag | undefined): void {
  if (to === undefined || history.migrations.some(({ tag }) => tag === to)) return;
  const near = history.migrations
    .map(({ tag }) => ({ tag, alike: sameBeginning(tag, to) }))
    .toSorted((a, b) => b.alike - a.alike)[0];
  const meant =
    near && near.alike >= Math.max(ALIKE, to.length / 2) ? ` Did you mean ${near.tag}?` : "";
  const last = history.migrations.at(-1)?.tag;
  throw new MigrateError({
    code: "usage",
    fact: `There is no migration ${to || '""'} in ${history.dir}.${meant}`,
    outcome: "nothing-run",
    remedy:
      last === undefined
        ? "Its journal has no entries."
        : `\`tidemark status\` lists the tags; the newest is ${last}.`,
  });
}

// Fewer characters at the start of a tag do not tell it from others: a number has four.
const ALIKE = 4;

function sameBeginning(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}

function changedFiles(
  history: History,
  rows: ReadonlyMap<Tag, LedgerRow>,
): readonly MigrateError[] {
  return history.migrations.flatMap((migration) => {
    const { tag, checksum } = migration;
    const row = rows.get(tag);
    if (row?.state !== "DONE" || row.checksum === checksum) return [];
    const { fact, files } = changeOf(migration, row);
    return [
      new MigrateError({
        code: "checksum_mismatch",
        tag,
        fact:
          `${fact} after it was applied on ${row.finishedAt?.toISOString() ?? "an unknown date"}.\n` +
          `  applied: ${row.checksum}\n  on disk: ${checksum}`,
        outcome: "nothing-run",
        remedy:
          `Restore ${files.length === 1 ? "the file as it was" : "the files as they were"} applied (\`git log -p -- ${files.join(" ")}\` shows how), ` +
          "and put the change into a new migration.",
      }),
    ];
  });
}

/** Which of a migration's files was edited: its row has the checksum of the SQL, where it had a code step. */
function changeOf(
  { tag, file, checksum, code }: Migration,
  row: LedgerRow,
): { readonly fact: string; readonly files: readonly string[] } {
  if (code === undefined) {
    return row.prefix === checksum
      ? { fact: `The code step of ${tag} was removed`, files: [file.replace(/\.sql$/, ".ts")] }
      : { fact: `${file} was edited`, files: [file] };
  }
  if (row.checksum === code.sqlChecksum) {
    return { fact: `${code.file} was added`, files: [code.file] };
  }
  if (row.prefix === code.sqlChecksum) {
    return { fact: `${code.file} was edited`, files: [code.file] };
  }
  const isOnlySql = row.prefix !== null && withCode(row.prefix, code.checksum) === row.checksum;
  return isOnlySql
    ? { fact: `${file} was edited`, files: [file] }
    : { fact: `${file} and ${code.file} were edited`, files: [file, code.file] };
}

/** A failed or interrupted one that committed nothing left nothing behind. */
export function hasLeftSomething({ state, statementsDone, underWay }: LedgerRow): boolean {
  return state === "DONE" || statementsDone > 0 || underWay !== null;
}

function missingFiles(history: History, rows: readonly LedgerRow[]): readonly MigrateError[] {
  const missing = rows.filter(hasLeftSomething);
  if (missing.length === 0) return [];
  const names = missing.map(({ tag }) => tag).join(", ");
  return [
    new MigrateError({
      code: "missing_file",
      fact: `The database has migrations that are not in the folder ${history.dir}: ${names}.`,
      outcome: "nothing-run",
      remedy:
        `Bring the files and their journal entries back (\`git log --stat --all -- ${history.dir}\` shows what happened to them, ` +
        "another branch may have them), or run the release that has them. " +
        "An older release is fine only when it has all migrations up to its newest, unchanged.",
    }),
  ];
}

function outOfOrder(
  pending: readonly Migration[],
  newestApplied: Migration | undefined,
): readonly MigrateError[] {
  const late = pending.filter(({ index }) => index < (newestApplied?.index ?? -1));
  if (late.length === 0) return [];
  const names = late.map(({ tag }) => tag).join(", ");
  return [
    new MigrateError({
      code: "out_of_order",
      fact: `Pending, but older than ${newestApplied?.tag ?? "the newest"}, which is applied: ${names}.`,
      outcome: "nothing-run",
      remedy:
        "If they are your branch's own, move them behind with `tidemark rebase --base <branch>` (`origin/main`); " +
        "where their order does not matter, apply them with `tidemark migrate --allow-out-of-order`.",
    }),
  ];
}
