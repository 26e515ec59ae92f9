import { isFolderTag, timeOfFolder } from "../history/layout.ts";
import type { LedgerRow } from "../ledger-types.ts";
import type { History, Tag } from "../types.ts";
import { isSkipped } from "./state.ts";

/** An applied migration that drizzle-kit gave another name. */
export interface Renamed {
  readonly from: LedgerRow;
  readonly to: Tag;
}

// 0.x with time stamps for prefixes takes the clock once for the name and once for the journal.
const SAME_TIME_MS = 5_000;

/**
 * `drizzle-kit up` puts a time in the place of each tag's number, and leaves the rest of the name and the
 * SQL as they are: that is how they are known again, in the old layout too, as in an older release.
 * Either all that is applied must be found so, or all that the history has: else it is no `up`.
 */
export function renamesOf({ migrations }: History, rows: readonly LedgerRow[]): readonly Renamed[] {
  const tags = new Set(migrations.map(({ tag }) => tag));
  const inLedger = new Set(rows.map(({ tag }) => tag));
  const lost = rows.filter((row) => (row.state === "DONE" || isSkipped(row)) && !tags.has(row.tag));
  const unknown = migrations.filter(({ tag }) => !inLedger.has(tag));
  const renames: Renamed[] = [];
  const used = new Set<Tag>();
  for (const from of lost.toSorted((a, b) => (a.rank ?? 0) - (b.rank ?? 0))) {
    const to = unknown.find(
      ({ tag, checksum }) =>
        !used.has(tag) && checksum === from.checksum && isSameName(tag, from.tag),
    );
    if (to === undefined) continue;
    used.add(to.tag);
    renames.push({ from, to: to.tag });
  }
  const isWhole = renames.length === lost.length || renames.length === unknown.length;
  return isWhole ? renames : [];
}

function isSameName(a: Tag, b: Tag): boolean {
  if (nameOf(a) !== nameOf(b)) return false;
  if (isFolderTag(a) !== isFolderTag(b)) return true;
  const [one, other] = [timeOfFolder(a), timeOfFolder(b)];
  return one !== undefined && other !== undefined && Math.abs(one - other) <= SAME_TIME_MS;
}

function nameOf(tag: Tag): string {
  return tag.split("_").slice(1).join("_");
}

/**
 * The rows under the names that the history has for them, and in its order where it knows all of them:
 * `up` sorts by time, which the journal need not have done.
 */
export function renamedRows(
  { migrations }: History,
  rows: readonly LedgerRow[],
  renames: readonly Renamed[],
): readonly LedgerRow[] {
  if (renames.length === 0) return rows;
  const names = new Map(renames.map(({ from, to }) => [from.tag, to]));
  const renamed = rows.map((row) => ({ ...row, tag: names.get(row.tag) ?? row.tag }));
  const done = new Set(renamed.flatMap(({ tag, state }) => (state === "DONE" ? [tag] : [])));
  const inOrder = migrations.flatMap(({ tag }) => (done.has(tag) ? [tag] : []));
  if (inOrder.length < done.size) return renamed;
  const ranks = new Map(inOrder.map((tag, rank) => [tag, rank]));
  return renamed.map((row) => ({ ...row, rank: ranks.get(row.tag) ?? row.rank }));
}
