import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseMigrator, MigrateError, type Tag } from "../migrate/index.ts";
import type { ScratchDatabase } from "../scratch/index.ts";
import { stageHistory } from "../scratch/staged.ts";
import type { AppliedSet } from "./applied.ts";

/** A file of an applied migration. */
export interface AppliedFile {
  readonly tag: Tag;
  /** Role that ran it. */
  readonly by: string;
  /** As people name it: `drizzle/0003_add_orgs.sql`. */
  readonly file: string;
  readonly sql: string;
}

/** @throws MigrateError `missing_file` where one was deleted just now */
export async function readAppliedFiles(
  dir: string,
  { migrations }: AppliedSet,
): Promise<readonly AppliedFile[]> {
  return Promise.all(
    migrations.map(async ({ tag, by }) => {
      const file = join(dir, `${tag}.sql`);
      return { tag, by, file, sql: await readFile(file, "utf8") };
    }),
  );
}

export interface ReplayOptions {
  readonly files: readonly AppliedFile[];
  readonly ledgerSchema: string;
  /** The database, as the role that ran a migration. */
  readonly databaseOf: (role: string) => Promise<ScratchDatabase>;
  readonly signal?: AbortSignal | undefined;
  /** Told of each migration that is done. */
  readonly onMigration: (done: number) => void;
}

/**
 * Runs these migrations, and no others, on an empty database with the engine, each as the role that
 * ran it: what they make belongs to whom it belongs there.
 *
 * @throws MigrateError `migration_failed` where one does not run; `canceled`
 */
export async function replay(options: ReplayOptions): Promise<void> {
  const { files, ledgerSchema, databaseOf, signal, onMigration } = options;
  const { dir, remove } = await stageHistory(files, (tag) => tag);
  try {
    let done = 0;
    for (const [index, { tag, by }] of files.entries()) {
      // One run for all that one role ran in a row.
      if (files[index + 1]?.by === by) continue;
      const { url } = await databaseOf(by);
      await new DatabaseMigrator({ url, dir, ledgerSchema }).migrate({
        to: tag,
        allowExisting: true,
        ...(signal && { signal }),
        onProgress: ({ kind }) => {
          if (kind !== "migration-done") return;
          done += 1;
          onMigration(done);
        },
      });
    }
  } catch (error) {
    throw replayError(error, files);
  } finally {
    await remove();
  }
}

// CREATE EXTENSION of what the server does not have: 0A000, before PostgreSQL 16 58P01.
const NOT_AVAILABLE: ReadonlySet<string | null> = new Set(["0A000", "58P01"]);

/** The engine's error speaks of a database that somebody needs, and of a folder that is gone. */
function replayError(error: unknown, files: readonly AppliedFile[]): unknown {
  if (!(error instanceof MigrateError) || error.code === "canceled") return error;
  const { recorded, tag } = error;
  const file = files.find((item) => item.tag === tag)?.file ?? tag ?? "the history";
  const place = recorded?.line ? `${file}:${recorded.line}:${recorded.column ?? 1}` : file;
  const state = recorded?.sqlState ? ` (SQLSTATE ${recorded.sqlState})` : "";
  const more = [recorded?.detail, recorded?.hint].map((text) => (text ? `\n  ${text}` : ""));
  const lacks = NOT_AVAILABLE.has(recorded?.sqlState ?? null)
    ? "The scratch server lacks something that the live one has, an extension most likely: name a server that has it with --scratch-url."
    : "It was applied, and does not run on an empty database: it may rely on rows, or on objects that no migration makes. " +
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
    ...(recorded && { recorded: { ...recorded, file, text: fact } }),
    cause: error,
  });
}
