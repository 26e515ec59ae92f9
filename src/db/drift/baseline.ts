import { type Catalog, compareCatalogs, type Difference } from "../catalog/index.ts";
import { DatabaseMigrator, loadHistory, MigrateError, type Tag } from "../migrate/index.ts";
import { type ScratchDatabase, type ScratchServer, withScratchServer } from "../scratch/index.ts";
import { differencesOf } from "./differences.ts";
import { toMigrateError } from "./drift-error.ts";
import { parseIgnorePatterns } from "./ignore.ts";
import { type LiveDatabase, type LiveTarget, readAssumed, readComparable } from "./live.ts";
import { type AppliedFile, type AppliedFiles, readAppliedFiles } from "./replay-applied.ts";
import { withoutRightsFromOutside } from "./rights-from-outside.ts";
import { prepareRoles, type ScratchRoles } from "./scratch-roles.ts";
import { nearest } from "./search.ts";
import { rowWrites } from "./unseen.ts";
import type { DriftWarning } from "./versions.ts";

export interface BaselineOptions extends LiveTarget {
  /** As `url` of `withScratchServer`. */
  readonly scratchUrl?: string | undefined;
  /** As `dir` of `withScratchServer`. */
  readonly scratchDir: string;
  /** Objects that may differ. */
  readonly ignore?: readonly string[];
  /** Prove this one, and look for none. */
  readonly tag?: Tag | undefined;
}

/** The migration up to which a database corresponds to a history. */
export interface Baseline {
  /** Undefined where the database is nearest to an empty one. */
  readonly tag: Tag | undefined;
  /** All up to it, in the history's order. */
  readonly upTo: readonly Tag[];
  /** Between what these make and the database; none where that is proven to be the same. */
  readonly differences: readonly Difference[];
  readonly ignored: number;
  /**
   * Migrations whose replay gives the same catalog, `tag` among them: what lies between them changes rows
   * alone, and the catalog does not tell which of them were applied.
   */
  readonly alike: readonly Tag[];
  /** Migrations up to it that write rows, and what: no catalog shows whether they ran. */
  readonly unseen: readonly { readonly tag: Tag; readonly what: string }[];
  /** How many replays were compared. */
  readonly compared: number;
  readonly warnings: readonly DriftWarning[];
}

/**
 * Finds the migration whose replay equals a database's catalog, or comes nearest to it. Writes nothing
 * there.
 *
 * @throws MigrateError for every expected failure
 */
export async function findBaseline(options: BaselineOptions): Promise<Baseline> {
  const { scratchUrl, scratchDir, signal, onProgress, tag } = options;
  const patterns = parseIgnorePatterns(options.ignore ?? []);
  const say = (text: string) => onProgress?.({ phase: "scratch", text });
  try {
    const { migrations } = await loadHistory(options.dir, { sumFile: "ignore" });
    const tags = migrations.map((migration) => migration.tag);
    if (tag !== undefined && !tags.includes(tag)) throw unknownTag(tag, options.dir);
    const found = await readAssumed(options, tags);
    const replayed = await readAppliedFiles(options.dir, found.applied);
    const { live, notes } = await withoutRightsFromOutside(found, replayed.files);
    return await withScratchServer(
      { url: scratchUrl, dir: scratchDir, onProgress: say },
      async (server) => {
        const roles = await prepareRoles(server, live, replayed.files);
        const replays = new Replays(server, roles, replayed, options);
        const compare = async (count: number) => {
          signal?.throwIfAborted();
          const catalog = await replays.catalogAt(count);
          const { isArtefact } = roles;
          const url = replays.urlAt(count);
          return differencesOf(catalog, live.catalog, { isArtefact, patterns, url });
        };
        const point = tag === undefined ? undefined : tags.indexOf(tag) + 1;
        return await search(tags, point, compare, replays, live, [
          ...roles.warnings,
          ...notes.map((message) => ({ kind: "roles" as const, message })),
        ]);
      },
    );
  } catch (error) {
    throw toMigrateError(error, signal);
  }
}

function unknownTag(tag: Tag, dir: string): MigrateError {
  return new MigrateError({
    code: "usage",
    fact: `There is no migration ${tag} in ${dir}.`,
    outcome: "nothing-compared",
    remedy: "`tidemark status` lists the tags; without one, the nearest is looked for.",
  });
}

type Comparison = Awaited<ReturnType<typeof differencesOf>>;

async function search(
  tags: readonly Tag[],
  given: number | undefined,
  compare: (count: number) => Promise<Comparison>,
  replays: Replays,
  live: LiveDatabase,
  warnings: readonly DriftWarning[],
): Promise<Baseline> {
  const comparisons = new Map<number, Comparison>();
  let failure: { readonly count: number; readonly error: Error } | undefined;
  const distanceAt = async (count: number) => {
    try {
      const comparison = await compare(count);
      comparisons.set(count, comparison);
      return comparison.differences.length;
    } catch (error) {
      // What does not run on an empty database cannot be told apart from there on.
      if (given !== undefined || count === 0 || !isReplayFailure(error)) throw error;
      if (failure === undefined || count < failure.count) failure = { count, error };
      return Number.POSITIVE_INFINITY;
    }
  };
  const point = given ?? (await nearest(0, tags.length, distanceAt)).point;
  if (given !== undefined) await distanceAt(given);
  const best = comparisons.get(point);
  if (best === undefined) throw new TypeError(`no replay of ${live.name} was compared`);
  const near = await replays.alike(point, tags.length);
  const equal = best.differences.length > 0 ? [] : exactPoints(comparisons);
  const alike = [...new Set([...near, ...equal])].toSorted((a, b) => a - b);
  return {
    tag: tags[point - 1],
    upTo: tags.slice(0, point),
    differences: best.differences,
    ignored: best.ignored,
    alike: alike.flatMap((count) => tags[count - 1] ?? []),
    unseen: await rowWrites(replays.files.slice(0, point)),
    compared: comparisons.size,
    warnings: [
      ...warnings,
      ...best.warnings,
      ...(failure === undefined
        ? []
        : [{ kind: "not-read", message: notReplayed(tags, failure) } as const]),
    ],
  };
}

/** All that were compared and found equal, near to each other or not. */
function exactPoints(comparisons: ReadonlyMap<number, Comparison>): readonly number[] {
  return [...comparisons].flatMap(([count, { differences }]) =>
    count > 0 && differences.length === 0 ? [count] : [],
  );
}

function notReplayed(
  tags: readonly Tag[],
  { count, error }: { readonly count: number; readonly error: Error },
): string {
  return `Not compared: ${tags[count - 1]} and what comes after it, because the history does not run to there on the scratch server: ${error.message}`;
}

const isReplayFailure = (error: unknown): error is MigrateError =>
  error instanceof MigrateError && error.code === "migration_failed";

/** Databases that a history has been replayed on, up to different points. */
class Replays {
  readonly #server: ScratchServer;
  readonly #roles: ScratchRoles;
  readonly files: readonly AppliedFile[];
  readonly #replayed: AppliedFiles;
  readonly #options: BaselineOptions;
  readonly #databases = new Map<number, ScratchDatabase>();
  readonly #catalogs = new Map<number, Catalog>();

  constructor(
    server: ScratchServer,
    roles: ScratchRoles,
    replayed: AppliedFiles,
    options: BaselineOptions,
  ) {
    this.#server = server;
    this.#roles = roles;
    this.files = replayed.files;
    this.#replayed = replayed;
    this.#options = options;
  }

  /** The catalog that the first `count` migrations make. */
  async catalogAt(count: number): Promise<Catalog> {
    const known = this.#catalogs.get(count);
    if (known !== undefined) return known;
    const { onProgress, ledgerSchema, drizzleTable = {}, signal } = this.#options;
    const { files, before: first } = this.#replayed;
    const text = `replaying ${count} of ${files.length} migrations (comparison ${this.#catalogs.size + 1})`;
    onProgress?.({ phase: "replay", text });
    const before = [...this.#databases.keys()].filter((at) => at <= count);
    const from = before.length === 0 ? undefined : this.#databases.get(Math.max(...before));
    const database = await this.#server.createDatabase(from);
    const file = files[count - 1];
    if (file !== undefined) {
      const { url } = await this.#roles.databaseOf(file.by, database);
      const migrator = new DatabaseMigrator({
        ...{ url, history: files, before: first, ledgerSchema, drizzleTable },
        runBackgroundBackfills: true,
      });
      await migrator.migrate({ to: file.tag, allowExisting: true, ...(signal && { signal }) });
    }
    this.#databases.set(count, database);
    const read = await readComparable({ ...this.#options, url: database.url });
    const catalog = this.#roles.asOfLive(read);
    this.#catalogs.set(count, catalog);
    return catalog;
  }

  /** Of the database with that catalog, which `catalogAt` has made. */
  urlAt(count: number): string {
    const database = this.#databases.get(count);
    if (database === undefined) throw new TypeError(`${count} migrations were not replayed`);
    return database.url;
  }

  /** The points around one whose catalogs are the same as its, itself included. */
  async alike(point: number, last: number): Promise<readonly number[]> {
    const catalog = await this.catalogAt(point);
    const isAlike = async (other: number) => {
      try {
        const { differences } = compareCatalogs(await this.catalogAt(other), catalog);
        return differences.length === 0;
      } catch (error) {
        if (isReplayFailure(error)) return false;
        throw error;
      }
    };
    const points = [point];
    for (let other = point - 1; other > 0 && (await isAlike(other)); other -= 1)
      points.unshift(other);
    for (let other = point + 1; other <= last && (await isAlike(other)); other += 1)
      points.push(other);
    return points;
  }
}
