import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MigrateError } from "../migrate/index.ts";

/** A migration to be run from a folder of our own. */
export interface StagedMigration {
  readonly tag: string;
  readonly sql: string;
}

/** A migrations folder that is there for a moment. */
export interface StagedFolder {
  readonly dir: string;
  /** The same error, as if the files lay where people know them. */
  readonly explain: (error: unknown) => unknown;
  readonly remove: () => Promise<void>;
}

/**
 * Writes a history into a temporary folder, without a sum file: what is run must be what was read.
 *
 * @param shown where the files lie, for people: names of staged files in messages become names there
 */
export async function stageHistory(
  migrations: readonly StagedMigration[],
  shown: (tag: string) => string,
): Promise<StagedFolder> {
  const dir = await mkdtemp(join(tmpdir(), "tidemark-"));
  await mkdir(join(dir, "meta"));
  for (const { tag, sql } of migrations) await writeFile(join(dir, `${tag}.sql`), sql);
  const entries = migrations.map(({ tag }, idx) => ({
    ...{ idx, version: "7", when: idx, tag, breakpoints: true },
  }));
  const journal = { version: "7", dialect: "postgresql", entries };
  await writeFile(join(dir, "meta", "_journal.json"), JSON.stringify(journal));
  const named = (text: string) =>
    migrations.reduce(
      (result, { tag }) =>
        result.includes(dir) ? result.replaceAll(join(dir, `${tag}.sql`), shown(tag)) : result,
      text,
    );
  return {
    dir,
    explain: (error) => renamed(error, named),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

function renamed(error: unknown, named: (text: string) => string): unknown {
  if (!(error instanceof MigrateError)) return error;
  const { recorded, tag, place } = error;
  return new MigrateError({
    code: error.code,
    fact: named(error.fact),
    remedy: named(error.remedy),
    cause: error,
    applied: error.applied,
    notRun: error.notRun,
    place: place && { ...place, file: named(place.file) },
    ...(tag !== undefined && { tag }),
    ...(recorded && {
      recorded: {
        ...recorded,
        file: recorded.file === null ? null : named(recorded.file),
        text: named(recorded.text),
      },
    }),
  });
}
