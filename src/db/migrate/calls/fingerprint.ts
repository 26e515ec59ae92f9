import { checksumOf } from "../history/checksum.ts";
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
  { schema, eventSink = history.eventSink }: Pick<RunSettings, "schema" | "eventSink">,
): Checksum {
  refuseUnknownTarget(history, to);
  const target = history.migrations.find(({ tag }) => tag === to);
  const link = target?.link ?? history.head;
  const sink = eventSink === undefined ? "no sink" : `${eventSink.table}\n${eventSink.sql}`;
  return checksumOf([TOOL_VERSION, link, ...createLedger(schema), sink].join("\n"));
}
