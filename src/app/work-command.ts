import { once } from "node:events";
import { type BackfillWorker, startBackfillWorker } from "../backfills/index.ts";
import type { MigratorOptions } from "../db/migrate/index.ts";
import { backfillLog, stopBackfills } from "./backfill-work.ts";
import type { Log } from "./log.ts";

/** What the command `work` is given by the process. */
export interface WorkSettings {
  /** As the owner, at this URL. */
  readonly migratorOf: (url: string) => MigratorOptions & { readonly url: string };
  readonly shutdownMs: number;
  readonly openLog: () => Promise<Log>;
}

/**
 * A process that only runs backfills of the background, until it is told to stop.
 *
 * @returns the exit code: 0, or 1 where the role may not run them
 */
export async function runWork(
  url: string,
  { migratorOf, shutdownMs, openLog }: WorkSettings,
  signal: AbortSignal,
): Promise<number> {
  const log = await openLog();
  const tell = backfillLog(log);
  const refused = new AbortController();
  log.info("looking for backfills");
  const worker: BackfillWorker = startBackfillWorker({
    migrator: migratorOf(url),
    onProgress: (progress) => {
      tell(progress);
      if (progress.kind === "not-allowed") refused.abort();
    },
  });
  const ended = AbortSignal.any([signal, refused.signal]);
  if (!ended.aborted) await once(ended, "abort");
  await stopBackfills(worker, shutdownMs, log);
  log.info("stopped");
  return refused.signal.aborted && !signal.aborted ? 1 : 0;
}
