import { irreversibleReason } from "../history/down-notes.ts";
import type { LedgerRow, StoredDown } from "../ledger-types.ts";
import type { Checksum, DownFile, History, Tag } from "../types.ts";

/** Where the way back may stand. */
export interface Downs {
  /** In the history. */
  readonly files: ReadonlyMap<Tag, DownFile>;
  /** Kept by the ledger when the migration was applied. */
  readonly stored: ReadonlyMap<Tag, StoredDown>;
}

/** A text that takes a migration back. */
export interface DownText {
  readonly file: string;
  readonly sql: string;
  readonly checksum: Checksum;
  readonly source: "folder" | "ledger";
}

export type DownChoice =
  /** The one to run; after it, one that may have been begun instead. */
  | { readonly kind: "found"; readonly texts: readonly DownText[] }
  | { readonly kind: "irreversible"; readonly file: string; readonly reason: string }
  /** The folder's own differs from `tidemark.sum`. */
  | { readonly kind: "unverified"; readonly file: string }
  | { readonly kind: "none" };

/**
 * Which text takes an applied migration back. The folder's wins, as it can be corrected; where it has none, or has
 * the migration itself otherwise than it was applied, the one that the ledger has kept.
 */
export function chooseDown(
  { migrations }: History,
  { tag, checksum, reverting }: LedgerRow,
  { files, stored }: Downs,
): DownChoice {
  const isSame = migrations.some((one) => one.tag === tag && one.checksum === checksum);
  const file = isSame ? files.get(tag) : undefined;
  const kept = stored.get(tag);
  const ofFile = file && { ...file, source: "folder" as const };
  const ofLedger = kept && {
    file: `${tag}.down.sql (kept in the ledger)`,
    sql: kept.sql,
    checksum: kept.checksum,
    source: "ledger" as const,
  };
  if (file?.isUnverified && file.checksum !== kept?.checksum) {
    return { kind: "unverified", file: file.file };
  }
  const chosen = ofFile ?? ofLedger;
  if (chosen === undefined) return { kind: "none" };
  const reason = irreversibleReason(chosen.sql);
  if (reason !== undefined) return { kind: "irreversible", file: chosen.file, reason };
  // Of one that is half-way down the ledger has kept what it was begun with.
  const isOther = reverting !== null && ofLedger && ofLedger.checksum !== chosen.checksum;
  return { kind: "found", texts: isOther ? [chosen, ofLedger] : [chosen] };
}
