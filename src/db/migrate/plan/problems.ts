import { MigrateError } from "../errors.ts";
import type { LedgerRow } from "../ledger-types.ts";
import type { History, Migration, Tag } from "../types.ts";

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
  return history.migrations.flatMap(({ tag, file, checksum }) => {
    const row = rows.get(tag);
    if (row?.state !== "DONE" || row.checksum === checksum) return [];
    return [
      new MigrateError({
        code: "checksum_mismatch",
        tag,
        fact:
          `${file} was edited after it was applied on ${row.finishedAt?.toISOString() ?? "an unknown date"}.\n` +
          `  applied: ${row.checksum}\n  on disk: ${checksum}`,
        outcome: "nothing-run",
        remedy:
          `Restore the file as it was applied (\`git log -p -- ${file}\` shows how), ` +
          "and put the change into a new migration.",
      }),
    ];
  });
}

function missingFiles(history: History, rows: readonly LedgerRow[]): readonly MigrateError[] {
  // A failed or interrupted one that committed nothing left nothing behind.
  const missing = rows.filter(
    (row) => row.state === "DONE" || row.statementsDone > 0 || row.underWay !== null,
  );
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
