import {
  type BackfillWorker,
  startBackfillWorker,
  type WorkerProgress,
} from "../backfills/index.ts";
import { within } from "../db/base/backoff.ts";
import { messageOf } from "../db/base/problem.ts";
import { loadHistory, type MigratorOptions } from "../db/migrate/index.ts";
import type { Log } from "./log.ts";

/** Ends the batches that run; what takes longer is ended with the process. */
export async function stopBackfills(
  worker: BackfillWorker,
  timeoutMs: number,
  log: Log,
): Promise<void> {
  const late = () => new Error("backfills did not stop in time: the next worker goes on");
  await within(timeoutMs, worker.stop(), late).catch((error: unknown) =>
    log.warn(messageOf(error)),
  );
}

const SAY_EVERY_MS = 10_000;
const SAY_UNAVAILABLE_EVERY_MS = 60_000;

/** Starts what runs the backfills of the background, where this release can have any. */
export async function startBackfills(
  migrator: MigratorOptions & { readonly url: string; readonly dir: string },
  log: Log,
): Promise<BackfillWorker | undefined> {
  // A folder that cannot be read is for the migrator to say.
  const history = await loadHistory(migrator.dir).catch(() => undefined);
  if (history?.migrations.every(({ code }) => code === undefined) ?? true) return undefined;
  return startBackfillWorker({ migrator, onProgress: backfillLog(log) });
}

/** How far they are, every now and then, and all that is not as it should be. */
export function backfillLog(log: Log): (progress: WorkerProgress) => void {
  const saidAt = new Map<string, number>();
  const isDue = (what: string, everyMs: number) => {
    const now = performance.now();
    if (now < (saidAt.get(what) ?? Number.NEGATIVE_INFINITY) + everyMs) return false;
    saidAt.set(what, now);
    return true;
  };
  return ({ kind, ...details }) => {
    switch (kind) {
      case "backfill": {
        const { tag, state, reason } = details as Extract<WorkerProgress, { kind: "backfill" }>;
        if (isDue(`${tag} ${state} ${reason}`, SAY_EVERY_MS)) log.info(details, "backfill");
        return;
      }
      case "not-allowed":
        log.info(
          details,
          "this role may not run backfills: run `tidemark-app work` or `tidemark backfill run --watch` as the owner",
        );
        return;
      case "ended": {
        const { end } = details as Extract<WorkerProgress, { kind: "ended" }>;
        log[end === "failed" ? "error" : "info"](details, `backfill ${end}`);
        return;
      }
      case "not-run":
        log.error(details, "the backfill could not be run");
        return;
      case "unavailable":
        if (isDue(kind, SAY_UNAVAILABLE_EVERY_MS)) log.warn(details, "backfills: trying again");
        return;
      case "engine":
        log.warn(details, "backfills");
        return;
      case "started":
        log.debug(details, "looking at a backfill");
    }
  };
}
