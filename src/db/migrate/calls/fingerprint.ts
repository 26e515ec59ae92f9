import { checksumOf } from "../history/checksum.ts";
import { bootstrapLedger } from "../ledger/schema.ts";
import { refuseUnknownTarget } from "../plan/problems.ts";
import type { Checksum, EventSink, History, Tag } from "../types.ts";

export interface FingerprintOptions {
  /** Last migration that counts; all of them when absent. */
  readonly to: Tag | undefined;
  readonly ledgerSchema: string;
  /** In place of the folder's own. */
  readonly eventSink: EventSink | undefined;
  readonly toolVersion: string;
}

/**
 * Digest of all that decides what a run makes of an empty database: the history up to its target
 * (what comes later does not count), the ledger, the version of Tidemark.
 *
 * @throws MigrateError `usage` where the history has no such target
 */
export function fingerprintOf(history: History, options: FingerprintOptions): Checksum {
  const { to, ledgerSchema, toolVersion, eventSink = history.eventSink } = options;
  refuseUnknownTarget(history, to);
  const target = history.migrations.find(({ tag }) => tag === to);
  const link = target?.link ?? history.head;
  const sink = eventSink === undefined ? "no sink" : `${eventSink.table}\n${eventSink.sql}`;
  return checksumOf([toolVersion, link, bootstrapLedger(ledgerSchema), sink].join("\n"));
}
