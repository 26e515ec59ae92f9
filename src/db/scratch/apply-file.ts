import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseMigrator, MigrateError } from "../migrate/index.ts";
import { openSession } from "../pool/open-session.ts";

/** A file of SQL, which need not lie on the disk. */
export interface AppliedFile {
  /** As people name it in messages: `drizzle/0003_add_orgs.down.sql`. */
  readonly file: string;
  readonly sql: string;
}

const LEDGER = "tidemark_scratch";
const TAG = "file";

/**
 * Runs a file as the engine runs a migration: cut into segments, what no transaction can hold outside
 * of one, settings to its end. It leaves no record behind.
 *
 * @throws MigrateError `migration_failed`, `unsupported_statement`, `history_invalid`, `canceled`,
 * with places in `file`
 */
export async function applyFile(
  database: { readonly url: string },
  { file, sql }: AppliedFile,
  signal?: AbortSignal,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "tidemark-"));
  try {
    await mkdir(join(dir, "meta"));
    await writeFile(join(dir, `${TAG}.sql`), sql);
    const entries = [{ idx: 0, version: "7", when: 0, tag: TAG, breakpoints: true }];
    const journal = { version: "7", dialect: "postgresql", entries };
    await writeFile(join(dir, "meta", "_journal.json"), JSON.stringify(journal));
    const migrator = new DatabaseMigrator({ url: database.url, dir, ledgerSchema: LEDGER });
    await migrator.migrate(signal === undefined ? {} : { signal });
  } catch (error) {
    throw renamed(error, join(dir, `${TAG}.sql`), file);
  } finally {
    await rm(dir, { recursive: true, force: true });
    await forget(database);
  }
}

async function forget({ url }: { readonly url: string }): Promise<void> {
  const session = await openSession(url, "tidemark-scratch");
  try {
    await session.run({ text: `drop schema if exists ${LEDGER} cascade` });
  } finally {
    await session.end();
  }
}

/** The same error, as if the file lay where it is meant to lie. */
function renamed(error: unknown, from: string, to: string): unknown {
  if (!(error instanceof MigrateError)) return error;
  const { recorded } = error;
  const named = (text: string) => text.replaceAll(from, to);
  return new MigrateError({
    code: error.code,
    fact: named(error.fact),
    remedy: named(error.remedy),
    cause: error,
    ...(recorded && { recorded: { ...recorded, file: to, text: named(recorded.text) } }),
  });
}
