import { plural } from "../base/text.ts";
import {
  type BeforeFile,
  type CodeFile,
  DatabaseMigrator,
  type DrizzleTableName,
  loadHistory,
  MigrateError,
  type Repeatable,
  type Tag,
} from "../migrate/index.ts";
import type { ScratchDatabase } from "../scratch/index.ts";
import type { AppliedSet } from "./applied.ts";

/** A file of an applied migration. */
export interface AppliedFile {
  readonly tag: Tag;
  /** Role that ran it. */
  readonly by: string;
  /** As people name it: `drizzle/0003_add_orgs.sql`. */
  readonly file: string;
  readonly sql: string;
  readonly code?: CodeFile;
  /** Its backfill in the background is not done: what it does at its end is not there either. */
  readonly isUnfilled?: true;
}

/** What is replayed: the files of what is applied, and what runs before them. */
export interface AppliedFiles {
  readonly files: readonly AppliedFile[];
  readonly before: BeforeFile | undefined;
  readonly repeatables: readonly (Repeatable & { readonly by: string })[];
}

export async function readAppliedFiles(
  dir: string,
  applied: Pick<AppliedSet, "migrations" | "repeatables">,
): Promise<AppliedFiles> {
  // Its sum is verify's to judge.
  const history = await loadHistory(dir, { sumFile: "ignore" });
  const known = new Map(history.migrations.map((migration) => [migration.tag, migration]));
  const files = applied.migrations.flatMap(({ tag, by, isUnfilled }) => {
    const migration = known.get(tag);
    if (migration === undefined) return [];
    const { file, sql, code } = migration;
    return { tag, by, file, sql, ...(code && { code }), ...(isUnfilled && { isUnfilled }) };
  });
  const ran = new Map(applied.repeatables.map(({ tag, by }) => [tag, by]));
  const repeatables = (history.repeatables ?? []).flatMap((repeatable) => {
    const by = ran.get(repeatable.tag);
    return by === undefined ? [] : { ...repeatable, by };
  });
  return { files, before: history.before, repeatables };
}

export interface ReplayOptions extends AppliedFiles {
  readonly ledgerSchema: string;
  readonly drizzleTable?: Partial<DrizzleTableName> | undefined;
  /** The database, as the role that ran a migration. */
  readonly databaseOf: (role: string) => Promise<ScratchDatabase>;
  readonly signal?: AbortSignal | undefined;
  /** Told which migration runs now. */
  readonly onMigration: (text: string) => void;
}

/**
 * Runs only these migrations on an empty database, each as the role that ran it, so that what they
 * make has the same owner.
 *
 * @throws MigrateError `migration_failed`, `canceled`
 */
export async function replay(options: ReplayOptions): Promise<void> {
  const {
    files,
    before,
    repeatables,
    ledgerSchema,
    drizzleTable = {},
    databaseOf,
    signal,
    onMigration,
  } = options;
  const runBackgroundBackfills = files.flatMap(({ tag, isUnfilled }) => (isUnfilled ? [] : [tag]));
  try {
    let done = 0;
    const tell = () =>
      onMigration(`replaying migration ${Math.min(done + 1, files.length)} of ${files.length}`);
    if (files.length > 0) tell();
    for (const [index, { tag, by }] of files.entries()) {
      // One run for consecutive migrations of one role.
      if (files[index + 1]?.by === by) continue;
      const { url } = await databaseOf(by);
      await new DatabaseMigrator({
        ...{ url, history: files, before, ledgerSchema, drizzleTable, runBackgroundBackfills },
      }).migrate({
        to: tag,
        allowExisting: true,
        ...(signal && { signal }),
        onProgress: ({ kind }) => {
          if (kind !== "migration-done") return;
          done += 1;
          tell();
        },
      });
    }
    // Each role's are run together; what one of them needs of another's must be there by then.
    const roles = [...new Set(repeatables.map(({ by }) => by))];
    if (roles.length > 0) onMigration(`replaying ${plural(repeatables.length, "repeatable")}`);
    for (const [i, role] of roles.entries()) {
      const known = new Set(roles.slice(0, i + 1));
      const { url } = await databaseOf(role);
      await new DatabaseMigrator({
        ...{ url, history: files, before, ledgerSchema, drizzleTable, runBackgroundBackfills },
        repeatables: repeatables.filter(({ by }) => known.has(by)),
      }).migrate({ allowExisting: true, ...(signal && { signal }) });
    }
  } catch (error) {
    throw replayError(error);
  }
}

// CREATE EXTENSION of what the server does not have: 0A000, before PostgreSQL 16 58P01.
const NOT_AVAILABLE: ReadonlySet<string | null> = new Set(["0A000", "58P01"]);

/** The engine's error is about a database that somebody needs. */
function replayError(error: unknown): unknown {
  if (!(error instanceof MigrateError) || error.code === "canceled") return error;
  const { recorded, tag } = error;
  const file = recorded?.file ?? tag ?? "the history";
  const place = recorded?.line ? `${file}:${recorded.line}:${recorded.column ?? 1}` : file;
  const state = recorded?.sqlState ? ` (SQLSTATE ${recorded.sqlState})` : "";
  const more = [recorded?.detail, recorded?.hint].map((text) => (text ? `\n  ${text}` : ""));
  const lacks = NOT_AVAILABLE.has(recorded?.sqlState ?? null)
    ? "The scratch server lacks something that the live one has, most likely an extension: name a server that has it with --scratch-url."
    : "It was applied, but does not run on an empty database: it may rely on rows, or on objects that no migration makes. " +
      "--scratch-url names another server to replay it on.";
  const fact = recorded
    ? `${place} fails when it is replayed on the scratch server: ${recorded.message}${state}${more.join("")}`
    : `The applied migrations cannot be replayed on the scratch server: ${error.fact}`;
  return new MigrateError({
    code: recorded ? "migration_failed" : error.code,
    fact,
    outcome: "nothing-compared",
    remedy: lacks,
    ...(tag !== undefined && { tag }),
    ...(recorded && { recorded: { ...recorded, text: fact } }),
    cause: error,
  });
}
