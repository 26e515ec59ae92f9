import { listed } from "../base/text.ts";
import type { Tag } from "../migrate/index.ts";
import { type ScratchServer, withScratchServer } from "../scratch/index.ts";
import type { AppliedSet } from "./applied.ts";
import { toMigrateError } from "./errors.ts";
import { ignoreDifferences, parseIgnorePatterns } from "./ignore.ts";
import { type LiveDatabase, readLive } from "./live.ts";
import { type Catalog, type Difference, loadCatalogs } from "./load-catalogs.ts";
import { readAppliedFiles, replay } from "./replay-applied.ts";
import { prepareRoles } from "./scratch-roles.ts";
import { withoutVersions } from "./versions.ts";

export interface DriftOptions {
  readonly url: string;
  /** Migrations folder. */
  readonly dir: string;
  readonly ledgerSchema: string;
  /** As `url` of `withScratchServer`. */
  readonly scratchUrl?: string | undefined;
  /** As `dir` of `withScratchServer`. */
  readonly scratchDir: string;
  /** Objects that may differ: `audit.*`, `index:public.*_tmp`. */
  readonly ignore?: readonly string[];
  readonly connectTimeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: DriftProgress) => void;
}

/** What goes on now. */
export interface DriftProgress {
  readonly phase: "read" | "scratch" | "replay" | "compare";
  readonly text: string;
}

export interface DriftReport {
  readonly differences: readonly Difference[];
  /** Differences that `ignore` left out. */
  readonly ignored: number;
  /** Migrations that the database was compared with. */
  readonly applied: number;
  readonly pending: number;
  /** Tag of the newest applied one. */
  readonly version: Tag | undefined;
  /** What was not compared, or not as it should be: a person must look. */
  readonly warnings: readonly string[];
  /** What is good to know. */
  readonly notes: readonly string[];
}

/**
 * Compares a database with what its applied migrations make of an empty one, both ways. Writes
 * nothing there: a role that may connect and read the ledger is enough. The ledger's schema and
 * drizzle's are left out.
 *
 * @throws MigrateError, all that is expected
 */
export async function findDrift(options: DriftOptions): Promise<DriftReport> {
  const { signal } = options;
  const patterns = parseIgnorePatterns(options.ignore ?? []);
  try {
    signal?.throwIfAborted();
    const catalogs = await loadCatalogs();
    const leaveOut = [options.ledgerSchema, "drizzle"];
    const read = (url: string) => catalogs.readCatalog({ url, leaveOut, signal });
    const live = await readLiveDatabase(options, read);
    const scratch = await readExpected(options, live, read, catalogs.withRoleRenamed);
    const comparison = catalogs.compareCatalogs(scratch.expected, live.catalog);
    const there = comparison.differences.filter((difference) => !scratch.isArtefact(difference));
    const { real, warnings } = isOfTwoVersions(comparison)
      ? withoutVersions(there)
      : { real: there, warnings: [] };
    const { differences, ignored, idle } = ignoreDifferences(real, patterns);
    return {
      differences,
      ignored,
      applied: live.applied.migrations.length,
      pending: live.applied.pending.length,
      version: live.applied.version,
      warnings: [...scratch.warnings, ...comparison.warnings, ...warnings],
      notes: [...notesOf(live.applied, options), ...idle.map(idleNote)],
    };
  } catch (error) {
    throw toMigrateError(error, signal);
  }
}

/** The comparison warns of it first. */
function isOfTwoVersions({ warnings }: { readonly warnings: readonly string[] }): boolean {
  return warnings.some((warning) => warning.endsWith("Compare databases of one major version."));
}

function readLiveDatabase(
  { url, dir, ledgerSchema, connectTimeoutMs, signal, onProgress }: DriftOptions,
  read: (url: string) => Promise<Catalog>,
): Promise<LiveDatabase> {
  onProgress?.({ phase: "read", text: "reading the database" });
  return readLive(
    {
      url,
      dir,
      ledgerSchema,
      signal,
      ...(connectTimeoutMs !== undefined && { connectTimeoutMs }),
      onWait: (progress) => {
        if (progress.kind !== "server-unavailable") return;
        onProgress?.({ phase: "read", text: `waiting for the server: ${progress.reason}` });
      },
    },
    read,
  );
}

/** What the applied migrations make, made on a scratch server. */
async function readExpected(
  options: DriftOptions,
  live: LiveDatabase,
  read: (url: string) => Promise<Catalog>,
  rename: (catalog: Catalog, from: string, to: string) => Catalog,
) {
  const { dir, ledgerSchema, scratchUrl, scratchDir, signal, onProgress } = options;
  const files = await readAppliedFiles(dir, live.applied);
  const total = files.length;
  onProgress?.({ phase: "scratch", text: "starting a scratch server" });
  const make = async (server: ScratchServer) => {
    signal?.throwIfAborted();
    const roles = await prepareRoles(server, live, files);
    const database = await server.createDatabase(undefined, live.name);
    const tell = (done: number) =>
      onProgress?.({ phase: "replay", text: `replaying migration ${done} of ${total}` });
    if (total > 0) tell(1);
    await replay({
      files,
      ledgerSchema,
      databaseOf: (role) => roles.databaseOf(role, database),
      signal,
      onMigration: (done) => tell(Math.min(done + 1, total)),
    });
    signal?.throwIfAborted();
    onProgress?.({ phase: "compare", text: "comparing" });
    const expected = roles.asOfLive(await read(database.url), rename);
    return { ...roles, expected };
  };
  return withScratchServer(
    {
      url: scratchUrl,
      dir: scratchDir,
      onProgress: (text) => onProgress?.({ phase: "scratch", text }),
    },
    make,
  );
}

function notesOf(applied: AppliedSet, { ledgerSchema }: DriftOptions): readonly string[] {
  const { migrations, pending, warnings } = applied;
  const one = pending.length === 1;
  return [
    ...warnings,
    ...(migrations.length === 0
      ? [
          `No migration is applied here (ledger: schema ${ledgerSchema}): the database is compared with an empty one. If that is wrong, look at --url and --ledger-schema.`,
        ]
      : []),
    ...(pending.length > 0 && migrations.length > 0
      ? [
          `${pending.length} pending migration${one ? " is" : "s are"} not part of the comparison: ${listed(pending)}.`,
        ]
      : []),
  ];
}

function idleNote(pattern: string): string {
  return `Nothing that differs matches --ignore ${JSON.stringify(pattern)}.`;
}
