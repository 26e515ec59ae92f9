import { listed, plural } from "../base/text.ts";
import type { Difference } from "../catalog/index.ts";
import type { Tag } from "../migrate/index.ts";
import { withScratchServer } from "../scratch/index.ts";
import type { AppliedSet } from "./applied.ts";
import { type Baseline, findBaseline } from "./baseline.ts";
import { differencesOf } from "./differences.ts";
import { toMigrateError } from "./drift-error.ts";
import { parseIgnorePatterns } from "./ignore.ts";
import {
  type DriftProgress,
  type LiveTarget,
  readAssumed,
  readComparable,
  readLive,
} from "./live.ts";
import { readAppliedFiles, replay } from "./replay-applied.ts";
import { withoutRightsFromOutside } from "./rights-from-outside.ts";
import { prepareRoles } from "./scratch-roles.ts";
import { rowWrites } from "./unseen.ts";
import type { DriftWarning } from "./versions.ts";

export { type Baseline, findBaseline };

export interface DriftOptions extends LiveTarget {
  /** As `url` of `withScratchServer`. */
  readonly scratchUrl?: string | undefined;
  /** As `dir` of `withScratchServer`. */
  readonly scratchDir: string;
  /** Objects that may differ: `audit.*`, `index:public.*_tmp`. */
  readonly ignore?: readonly string[];
  /** Take these migrations as applied, whatever the ledger says. */
  readonly assume?: readonly Tag[];
}

export interface DriftReport {
  readonly differences: readonly Difference[];
  /** Differences that `ignore` left out. */
  readonly ignored: number;
  /** How many migrations the database was compared with. */
  readonly applied: number;
  readonly pending: number;
  /** Tag of the newest applied one. */
  readonly version: Tag | undefined;
  /** What was not compared, or not properly: a person must look. */
  readonly warnings: readonly DriftWarning[];
  /** Applied migrations that write rows, and what, which is not compared. */
  readonly unseen: readonly { readonly tag: Tag; readonly what: string }[];
  /** What is good to know. */
  readonly notes: readonly string[];
}

/**
 * Compares a database with what its applied migrations make of an empty one, both ways. Writes
 * nothing there: a role that may connect and read the ledger is enough. The ledger's schema and
 * drizzle's are left out.
 *
 * @throws MigrateError for every expected failure
 */
export async function findDrift(options: DriftOptions): Promise<DriftReport> {
  const { scratchUrl, scratchDir, ignore, assume, signal, onProgress, ...target } = options;
  const patterns = parseIgnorePatterns(ignore ?? []);
  const say = (phase: DriftProgress["phase"]) => (text: string) => onProgress?.({ phase, text });
  try {
    signal?.throwIfAborted();
    const reading = { ...target, signal, ...(onProgress && { onProgress }) };
    const found = await (assume === undefined ? readLive(reading) : readAssumed(reading, assume));
    const replayed = await readAppliedFiles(options.dir, found.applied);
    const { files } = replayed;
    const all = [...files, ...replayed.repeatables];
    const { live, notes } = await withoutRightsFromOutside(found, all);
    say("scratch")("starting a scratch server");
    const { differences, ignored, idle, warnings } = await withScratchServer(
      { url: scratchUrl, dir: scratchDir, onProgress: say("scratch") },
      async (server) => {
        signal?.throwIfAborted();
        const roles = await prepareRoles(server, live, all);
        const database = await server.createDatabase(undefined, live.name);
        await replay({
          ...replayed,
          ledgerSchema: options.ledgerSchema,
          drizzleTable: options.drizzleTable,
          databaseOf: (role) => roles.databaseOf(role, database),
          signal,
          onMigration: say("replay"),
        });
        signal?.throwIfAborted();
        say("compare")("comparing");
        const read = await readComparable({ ...target, url: database.url, signal });
        const { isArtefact } = roles;
        const { url } = database;
        const expected = roles.asOfLive(read);
        const found = await differencesOf(expected, live.catalog, { isArtefact, patterns, url });
        return { ...found, warnings: [...roles.warnings, ...found.warnings] };
      },
    );
    const { migrations, pending, version } = live.applied;
    return {
      differences,
      ignored,
      applied: migrations.length,
      pending: pending.length,
      version,
      unseen: await rowWrites(files),
      warnings,
      notes: [
        ...notesOf(live.applied, options),
        ...notes,
        ...idle.map((pattern) => `No difference matches --ignore ${JSON.stringify(pattern)}.`),
      ],
    };
  } catch (error) {
    throw toMigrateError(error, signal);
  }
}

function notesOf(applied: AppliedSet, options: DriftOptions): readonly string[] {
  const { unknownRepeatables } = applied;
  if (unknownRepeatables.length === 0) return notesOfMigrations(applied, options);
  return [
    ...notesOfMigrations(applied, options),
    `${plural(unknownRepeatables.length, "repeatable")} ran here with another text than the folder's, or not at all: ${listed(unknownRepeatables)}. What ${unknownRepeatables.length === 1 ? "it" : "they"} made here is a difference.`,
  ];
}

function notesOfMigrations(applied: AppliedSet, { ledgerSchema }: DriftOptions): readonly string[] {
  const { migrations, pending, warnings } = applied;
  if (migrations.length === 0) {
    return [
      ...warnings,
      `No migration is applied here (ledger: schema ${ledgerSchema}): the database is compared with an empty one. If that is wrong, check --url and --ledger-schema.`,
    ];
  }
  if (pending.length === 0) return warnings;
  const are = pending.length === 1 ? "is" : "are";
  return [
    ...warnings,
    `${plural(pending.length, "pending migration")} ${are} not part of the comparison: ${listed(pending)}.`,
  ];
}
