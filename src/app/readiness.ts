import {
  errorJson,
  MigrateError,
  migrationJson,
  runningJson,
  type Tag,
} from "../db/migrate/index.ts";
import type { ProjectionStatus } from "../projections/index.ts";
import type { BootState } from "./boot.ts";
import type { Tone } from "./layout.ts";
import type { Verdict } from "./ledger-watch.ts";
import type { Reader } from "./reader.ts";

/** How far the process is, and whether it can use its database. */
export type Readiness =
  | BootState
  | { readonly kind: "unavailable"; readonly reason: string }
  /** It was ready once. */
  | Exclude<Verdict, { kind: "ready" }>;

/** What to do if the database is older than the process that was ready on it. */
export const BEHIND =
  "The database was made anew, restored or has failed over to an older state: check that it is the right one, then run `tidemark migrate`.";

/** What to do if the process may not migrate itself. */
export const MIGRATE_FIRST = "Run `tidemark migrate`, then start again (MIGRATE_ON_BOOT=check).";

/** Ready means migrated, with a database that answers, and that still is what it was migrated to. */
export async function readinessOf(reader: Reader): Promise<Readiness> {
  const boot = reader.boot();
  if (boot.kind !== "ready") return boot;
  const reason = await reader.problem();
  if (reason !== undefined) return { kind: "unavailable", reason };
  return (await reader.ledger()) ?? boot;
}

/** What anybody may know: no text of a server, a driver or a file. */
export interface PublicState {
  readonly status: string;
  /** What the database is at; null for an empty history. */
  readonly version?: Tag | null;
  /** The migration that runs, or has failed. */
  readonly tag?: Tag;
}

export function publicState(readiness: Readiness): PublicState {
  const status = statusOf(readiness);
  switch (readiness.kind) {
    case "ready":
      return { status, version: readiness.version ?? null };
    case "migrating":
      return { status, tag: readiness.tag };
    case "failed": {
      const { tag } = readiness.error;
      return { status, ...(tag !== undefined && { tag }) };
    }
    default:
      return { status };
  }
}

/** The state in one or two words. */
function statusOf({ kind }: Readiness): string {
  switch (kind) {
    case "unavailable":
      return "database unavailable";
    case "connecting":
      return "waiting";
    case "behind":
      return "database behind";
    case "unusable":
      return "database differs";
    default:
      return kind;
  }
}

export function toneOf({ kind }: Readiness): Tone {
  if (kind === "ready") return "good";
  return ["failed", "pending", "unavailable", "behind", "unusable"].includes(kind) ? "bad" : "busy";
}

/** Why it is not ready, for those who may know everything. */
export async function detailedState(readiness: Readiness, reader: Reader): Promise<object> {
  const status = statusOf(readiness);
  switch (readiness.kind) {
    case "ready": {
      const { version, newer } = readiness;
      const projections = await reader.projections();
      const unfinished = (await reader.hasUnfilled()) ? await unfinishedBackfills(reader) : {};
      const lag = projections?.length && { projections: projections.map(projectionJson) };
      // A projection that lags is no reason not to be ready: it would not catch up faster.
      return { status, version: version ?? null, newer, ...lag, ...unfinished };
    }
    case "unavailable":
      return { status, reason: readiness.reason };
    case "failed":
    case "unusable":
      return { status, ...errorJson(readiness.error) };
    case "behind": {
      const { version, tags, error } = readiness;
      const told = error === undefined ? { remedy: BEHIND } : errorJson(error);
      return { status, version: version ?? null, pending: tags, ...told };
    }
    case "pending":
      return { status, pending: readiness.tags, remedy: MIGRATE_FIRST };
    case "migrating": {
      const { tag, number, total, since, work = null, blockers = [] } = readiness;
      const unfinished = await unfinishedBackfills(reader);
      const now = { work, blockers };
      return { status, tag, number, total, since: since.toISOString(), ...now, ...unfinished };
    }
    case "waiting": {
      const { what, holder } = readiness;
      const failed = await failedMigrations(reader);
      const unfinished = await unfinishedBackfills(reader);
      const running = await runningElsewhere(reader);
      return { status, reason: what, holder: holder ?? null, running, failed, ...unfinished };
    }
    case "connecting":
    case "starting":
      return { status, reason: readiness.what };
    case "stopping":
      return { status };
  }
}

/** How far a projection is in the instance where it is furthest behind. */
function projectionJson({ name, state, quarantined, worst }: ProjectionStatus) {
  const { position = null, lagEvents = 0, lagSeconds = 0 } = worst ?? {};
  return { name, state, position, lagEvents, lagSeconds, quarantined };
}

/** How far the backfills are that are not done: by themselves no reason not to be ready either. */
async function unfinishedBackfills(reader: Reader) {
  const status = await reader.status();
  if (status instanceof MigrateError || status.backfills.length === 0) return {};
  return { backfills: status.backfills };
}

/** What the process that this one waits for is at. */
async function runningElsewhere(reader: Reader) {
  const status = await reader.status();
  return status instanceof MigrateError || status.running === undefined
    ? null
    : runningJson(status.running);
}

/** What failed in the process that this one waits for. */
async function failedMigrations(reader: Reader) {
  const status = await reader.status();
  if (status instanceof MigrateError) return [];
  return status.migrations
    .filter((migration) => migration.state.kind === "FAILED")
    .map(migrationJson)
    .map(({ tag, error }) => ({ tag, error }));
}
