import { pause } from "../db/base/backoff.ts";
import {
  type Blocker,
  type CallOptions,
  type DatabaseMigrator,
  type HeldBack,
  type LeaseHolder,
  MigrateError,
  type MigrateOptions,
  type MigrateReport,
  type Progress,
  type ServerWork,
  type Tag,
} from "../db/migrate/index.ts";
import type { MigrateOnBoot } from "./config.ts";

/** How far the process is in getting ready. */
export type BootState =
  | { readonly kind: "starting"; readonly what: string }
  /** The database does not answer yet. */
  | { readonly kind: "connecting"; readonly what: string }
  | { readonly kind: "waiting"; readonly what: string; readonly holder: LeaseHolder | undefined }
  | {
      readonly kind: "migrating";
      readonly tag: Tag;
      /** From 1. */
      readonly number: number;
      readonly total: number;
      readonly since: Date;
      /** What the server is at, where it tells. */
      readonly work?: ServerWork;
      readonly blockers?: readonly Blocker[];
    }
  | {
      readonly kind: "ready";
      readonly version: Tag | undefined;
      /** The database is ahead of this release. */
      readonly newer: boolean;
    }
  | { readonly kind: "failed"; readonly error: MigrateError }
  /** Told to start only if nothing is pending. */
  | { readonly kind: "pending"; readonly tags: readonly Tag[] }
  | { readonly kind: "stopping" };

export interface BootOptions {
  /** Migrates before, where no other process does: an embedded database, whose owner is at hand. */
  readonly owner?: DatabaseMigrator;
  readonly migrator: DatabaseMigrator;
  readonly mode: MigrateOnBoot;
  readonly allowExisting: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onState: (state: BootState) => void;
  readonly onProgress: (progress: Progress) => void;
}

/**
 * Brings the database to this release's schema, or waits until another process has, or
 * refuses. Never throws: what failed is a state with its exit code.
 */
export async function bringUpToDate(options: BootOptions): Promise<BootState> {
  const { onState, onProgress } = options;
  let last: BootState | undefined;
  const watch = (progress: Progress) => {
    onProgress(progress);
    const state = stateOf(progress) ?? detailed(last, progress);
    if (state === undefined) return;
    last = state;
    onState(state);
  };
  let state: BootState;
  try {
    state = await run(options, watch);
  } catch (error) {
    if (!(error instanceof MigrateError)) throw error;
    state = { kind: "failed", error };
  }
  onState(state);
  return state;
}

async function run(
  { owner, migrator, mode, allowExisting, timeoutMs, signal, onState }: BootOptions,
  onProgress: (progress: Progress) => void,
): Promise<BootState> {
  const call = { signal, onProgress };
  if (owner !== undefined) await migrateAll(owner, { ...call, allowExisting }, onState);
  switch (mode) {
    case "run": {
      const { outcome, version } = await migrateAll(migrator, { ...call, allowExisting }, onState);
      return { kind: "ready", version, newer: outcome === "newer" };
    }
    case "wait": {
      const { outcome, version } = await migrator.waitUntilCurrent({ ...call, timeoutMs });
      return { kind: "ready", version, newer: outcome === "newer" };
    }
    case "check": {
      const { pendingRepeatables, repeatables, ...status } = await migrator.status(call);
      const { pending, problems, newer, version, migrations } = status;
      const [problem] = problems;
      if (problem !== undefined) throw problem;
      if (pending + pendingRepeatables === 0) return { kind: "ready", version, newer };
      const tags = migrations.filter(({ state }) => state.kind !== "DONE").map(({ tag }) => tag);
      const toRun = repeatables.filter(({ state }) => state !== "DONE").map(({ tag }) => tag);
      return { kind: "pending", tags: [...tags, ...toRun] };
    }
  }
}

/** Migrates, and again whenever a backfill is done that a migration has to wait for. */
async function migrateAll(
  migrator: DatabaseMigrator,
  options: MigrateOptions,
  onState: (state: BootState) => void,
): Promise<MigrateReport> {
  for (;;) {
    const report = await migrator.migrate(options);
    const { heldBack } = report;
    if (heldBack === undefined) return report;
    onState({ kind: "waiting", what: heldBackWhat(heldBack), holder: undefined });
    await untilFilled(migrator, heldBack, options);
  }
}

/** Until the backfill is done, or is no more. */
async function untilFilled(
  migrator: DatabaseMigrator,
  { requires }: HeldBack,
  { signal }: CallOptions,
): Promise<void> {
  for (;;) {
    // A call whose signal has come says so itself.
    await pause(LOOK_AGAIN_MS, signal).catch(() => undefined);
    const all = await migrator.backfills.list({ ...(signal && { signal }) });
    const found = all.find(({ tag }) => tag === requires);
    if (found === undefined || found.state === "DONE") return;
  }
}

const LOOK_AGAIN_MS = 1_000;

function heldBackWhat({ tag, requires }: HeldBack): string {
  return `for the backfill ${requires}, which ${tag} requires`;
}

/** The migration that runs, with what the server is at just now. */
function detailed(state: BootState | undefined, progress: Progress): BootState | undefined {
  if (state?.kind !== "migrating") return undefined;
  if (progress.kind === "blocked") return { ...state, blockers: progress.blockers };
  if (progress.kind !== "working") return undefined;
  // Told first: whom it waited for is over, unless that is told again.
  const { blockers: _blockers, ...rest } = state;
  return { ...rest, work: progress.work };
}

function stateOf(progress: Progress): BootState | undefined {
  switch (progress.kind) {
    case "server-unavailable":
      return { kind: "connecting", what: `for the database: ${progress.reason}` };
    case "waiting":
      return { kind: "waiting", what: "for another runner", holder: progress.holder };
    case "behind":
      return {
        kind: "waiting",
        what:
          progress.heldBack === undefined
            ? `for ${progress.pending} migrations that another process must apply`
            : heldBackWhat(progress.heldBack),
        holder: progress.holder,
      };
    case "planned":
      return { kind: "starting", what: `${progress.tags.length} migrations pending` };
    case "repeatable-started":
      return {
        kind: "migrating",
        tag: progress.tag,
        number: progress.index + 1,
        total: progress.total,
        since: new Date(),
      };
    case "migration-started":
      return {
        kind: "migrating",
        tag: progress.tag,
        number: progress.index + 1,
        total: progress.total,
        since: new Date(),
      };
    default:
      return undefined;
  }
}
