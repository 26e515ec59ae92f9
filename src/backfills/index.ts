import { pause, within } from "../db/base/backoff.ts";
import { messageOf } from "../db/base/problem.ts";
import {
  type BackfillStatus,
  DatabaseMigrator,
  MigrateError,
  type MigratorOptions,
  type Progress,
  type Tag,
} from "../db/migrate/index.ts";
import type { JobQueue } from "./job-types.ts";

/** What a worker does, for a log. */
export type WorkerProgress =
  /** The role may not run backfills: somebody else has to. Said once. */
  | { readonly kind: "not-allowed"; readonly tags: readonly Tag[] }
  | { readonly kind: "started"; readonly tag: Tag }
  | Extract<Progress, { kind: "backfill" }>
  | { readonly kind: "ended"; readonly tag: Tag; readonly end: string; readonly error?: string }
  /** It could not be run now; it is tried again. */
  | { readonly kind: "not-run"; readonly tag: Tag; readonly reason: string }
  /** The job engine, or the database, is not there; it is tried again. */
  | { readonly kind: "unavailable"; readonly reason: string }
  | { readonly kind: "engine"; readonly message: string };

export interface BackfillWorkerOptions {
  /** Of the role that owns what is migrated. */
  readonly migrator: MigratorOptions & { readonly url: string };
  readonly onProgress: (progress: WorkerProgress) => void;
}

export interface BackfillWorker {
  /** Looks at once for what waits. */
  readonly wake: () => void;
  /** Ends the batches that run, gives their backfills back, and takes no more. Idempotent. */
  readonly stop: () => Promise<void>;
}

/** How often it looks while none is to be run. */
const LOOK_EVERY_MS = 30_000;
/** While one is: also for those whose process is gone. */
const LOOK_AGAIN_MS = 2_000;
/** One that could not be run is left to others for this long. */
const LEAVE_MS = 30_000;
const LOOK_CONNECT_MS = 5_000;
const CLOSE_MS = 10_000;

/**
 * Runs the backfills of the background, together with any number of other processes. Nothing is made or kept open in
 * the database before the first of them.
 */
export function startBackfillWorker({
  migrator: settings,
  onProgress,
}: BackfillWorkerOptions): BackfillWorker {
  const stopping = new AbortController();
  const { signal } = stopping;
  const migrator = new DatabaseMigrator(settings);
  const looker = new DatabaseMigrator({ ...settings, connectTimeoutMs: LOOK_CONNECT_MS });
  const left = new Map<Tag, number>();
  let queue: JobQueue | undefined;
  let isAllowed: boolean | undefined;
  let waking = new AbortController();

  async function work(tag: Tag): Promise<void> {
    if (signal.aborted) return;
    onProgress({ kind: "started", tag });
    try {
      const outcomes = await migrator.backfills.run({
        tag,
        signal,
        onProgress: (progress) => {
          if (progress.kind === "backfill") onProgress(progress);
        },
      });
      for (const outcome of outcomes) onProgress({ kind: "ended", ...outcome });
    } catch (error) {
      if (signal.aborted) return;
      const isOfServer = error instanceof MigrateError && error.code === "connect";
      if (!isOfServer) left.set(tag, performance.now() + LEAVE_MS);
      onProgress({ kind: "not-run", tag, reason: messageOf(error) });
    }
    waking.abort();
  }

  async function close(): Promise<void> {
    const open = queue;
    queue = undefined;
    if (open === undefined) return;
    // Without its server the engine may try to end its jobs for long.
    const late = () => new Error("the job engine did not end in time");
    await within(CLOSE_MS, open.close(), late);
  }

  async function openQueue(): Promise<JobQueue> {
    // Most applications never have a backfill.
    const { openJobQueue } = await import("./job-queue.ts");
    return openJobQueue({
      ...{ url: settings.url, work },
      onLog: (level, message) => {
        if (level === "error" || level === "warning") onProgress({ kind: "engine", message });
      },
      onEnd: (error) => {
        queue = undefined;
        onProgress({ kind: "unavailable", reason: messageOf(error) });
      },
    });
  }

  /** Returns whether some are not at their end. */
  async function look(): Promise<boolean> {
    const all = await looker.backfills.list({ signal });
    const ours = all.filter(isUnfinished);
    if (ours.length === 0) {
      await close();
      return false;
    }
    isAllowed ??= await allowed(ours);
    if (!isAllowed) return false;
    const now = performance.now();
    const waiting = ours.filter(({ isRunning, tag }) => !isRunning && (left.get(tag) ?? 0) < now);
    queue ??= await openQueue();
    const tags = waiting.map(({ tag }) => tag);
    await queue.offer(all, tags);
    return true;
  }

  async function allowed(ours: readonly BackfillStatus[]): Promise<boolean> {
    const may = await looker.backfills.isAllowed({ signal });
    if (!may) onProgress({ kind: "not-allowed", tags: ours.map(({ tag }) => tag) });
    return may;
  }

  async function keepLooking(): Promise<void> {
    while (!signal.aborted && isAllowed !== false) {
      waking = new AbortController();
      let again = true;
      try {
        again = await look();
      } catch (error) {
        if (signal.aborted) break;
        // A server that is not there yet, or a release that does not fit, is for others to say.
        if (!(error instanceof MigrateError)) {
          onProgress({ kind: "unavailable", reason: messageOf(error) });
        }
        await close().catch(() => undefined);
      }
      const until = AbortSignal.any([signal, waking.signal]);
      await pause(again ? LOOK_AGAIN_MS : LOOK_EVERY_MS, until).catch(() => undefined);
    }
  }

  const looking = keepLooking();
  let stopped: Promise<void> | undefined;
  return {
    wake: () => waking.abort(),
    stop: () => {
      stopping.abort();
      stopped ??= looking.then(close).catch((error: unknown) => {
        onProgress({ kind: "unavailable", reason: messageOf(error) });
      });
      return stopped;
    },
  };
}

function isUnfinished({ background, state }: BackfillStatus): boolean {
  return background && (state === "PENDING" || state === "RUNNING");
}
