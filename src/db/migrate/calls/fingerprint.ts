import { checksumOf } from "../history/checksum.ts";
import { repeatablesDigest } from "../history/repeatables.ts";
import { createLedger } from "../ledger/create.ts";
import { refuseUnknownTarget } from "../plan/problems.ts";
import type { RunSettings } from "../run-types.ts";
import type { Checksum, History, Tag } from "../types.ts";
import { TOOL_VERSION } from "../version.ts";

/**
 * Digest of all that decides what a run makes of an empty database: the history up to its target
 * (what comes later does not count), the ledger, the version of Tidemark.
 *
 * @param to last migration that counts; all of them when undefined
 * @throws MigrateError `usage` where the history has no such target
 */
export function fingerprintOf(
  history: History,
  to: Tag | undefined,
  {
    schema,
    eventSink = history.eventSink,
    drizzleTable,
  }: Pick<RunSettings, "schema" | "eventSink" | "drizzleTable">,
): Checksum {
  refuseUnknownTarget(history, to);
  const target = history.migrations.find(({ tag }) => tag === to);
  const link = target?.link ?? history.head;
  const sink = eventSink === undefined ? "no sink" : `${eventSink.table}\n${eventSink.sql}`;
  const { before } = history;
  const first = before === undefined ? "nothing before" : checksumOf(before.sql);
  // They run where no migration is left pending.
  const repeatables = (link === history.head && repeatablesDigest(history)) || "no repeatables";
  const parts = [
    ...[TOOL_VERSION, link, ...createLedger(schema), sink, first, drizzleTable.schema],
    repeatables,
  ];
  return checksumOf(parts.join("\n"));
}
