import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach } from "vitest";

/** A migrations folder of a test's own. */
export interface HistoryFolder {
  readonly dir: string;
  /** Writes or replaces a migration's file. */
  readonly write: (tag: string, sql: string) => Promise<void>;
  /** Writes the journal anew: which migrations there are, in which order. */
  readonly list: (tags: readonly string[]) => Promise<void>;
  /** Writes or replaces a repeatable's file. */
  readonly repeat: (name: string, sql: string) => Promise<void>;
  readonly remove: () => Promise<void>;
}

/** Writes a drizzle-kit folder (0.x) whose migrations stand in the object's order. */
export async function historyFolder(
  migrations: Readonly<Record<string, string>>,
): Promise<HistoryFolder> {
  const dir = await mkdtemp(join(tmpdir(), "tidemark-history-"));
  await mkdir(join(dir, "meta"));
  const write = (tag: string, sql: string) => writeFile(join(dir, `${tag}.sql`), sql);
  const list = (tags: readonly string[]) =>
    writeFile(join(dir, "meta", "_journal.json"), journalOf(tags));
  const repeat = async (name: string, sql: string) => {
    await mkdir(join(dir, "repeatable"), { recursive: true });
    await writeFile(join(dir, "repeatable", `${name}.sql`), sql);
  };
  for (const [tag, sql] of Object.entries(migrations)) await write(tag, sql);
  await list(Object.keys(migrations));
  return { dir, write, list, repeat, remove: () => rm(dir, { recursive: true, force: true }) };
}

/** The folder of the running test. */
export interface UsedHistory extends HistoryFolder {
  /** The test's folder is this one; it is removed after the test. */
  readonly take: (folder: HistoryFolder) => Promise<void>;
  /** Makes the test's folder, in place of one that it has. */
  readonly make: (migrations: Readonly<Record<string, string>>) => Promise<void>;
}

/**
 * A migrations folder for each test of the file, removed after it: of `migrations`, or of what the
 * test gives `make`. To be called once, outside of tests.
 */
export function useHistory(migrations?: Readonly<Record<string, string>>): UsedHistory {
  let current: HistoryFolder | undefined;
  const now = () => {
    if (current === undefined) throw new Error("the test has made no history");
    return current;
  };
  const remove = async () => {
    await current?.remove();
    current = undefined;
  };
  const take: UsedHistory["take"] = async (folder) => {
    await remove();
    current = folder;
  };
  const make: UsedHistory["make"] = async (given) => take(await historyFolder(given));
  beforeEach(async () => {
    if (migrations !== undefined) await make(migrations);
    return remove;
  });
  return {
    get dir() {
      return now().dir;
    },
    write: (tag, sql) => now().write(tag, sql),
    list: (tags) => now().list(tags),
    repeat: (name, sql) => now().repeat(name, sql),
    remove,
    take,
    make,
  };
}

export function journalOf(tags: readonly string[]): string {
  const entries = tags.map((tag, idx) => ({
    idx,
    version: "7",
    when: 1_700_000_000_000 + idx,
    tag,
    breakpoints: true,
  }));
  return JSON.stringify({ version: "7", dialect: "postgresql", entries }, null, 2);
}

/** Three migrations that depend on each other, the last with data. */
export const THREE = {
  "0000_create_notes": `CREATE TABLE "notes" ("id" serial PRIMARY KEY, "body" text NOT NULL);`,
  "0001_add_author": `ALTER TABLE "notes" ADD COLUMN "author" text;--> statement-breakpoint
CREATE INDEX "notes_author_idx" ON "notes" ("author");`,
  "0002_first_note": `INSERT INTO "notes" ("body", "author") VALUES ('hello', 'ada');`,
} as const;

/** Migrations that each put one row into a table: what ran twice or not at all shows. */
export function countingHistory(count: number): Record<string, string> {
  const list: Record<string, string> = {
    "0000_create_ticks": `create table ticks (n integer not null);\ncreate table extra (n integer);`,
  };
  for (let n = 1; n < count; n += 1) {
    list[`${String(n).padStart(4, "0")}_tick`] =
      `insert into ticks values (${n});\nalter table extra add column c${n} integer;\ninsert into extra (n, c${n}) values (${n}, ${n});`;
  }
  return list;
}
