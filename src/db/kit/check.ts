import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { withoutBom } from "../base/files.ts";
import { MigrateError, type Tag } from "../migrate/index.ts";
import { JOURNAL, type JournalEntry, type KitFolder, readStamps } from "./folder.ts";

const NO_SNAPSHOT_ID = "00000000-0000-0000-0000-000000000000";

/** What drizzle-kit has added to its copy of the folder. */
export interface Written {
  readonly tag: Tag;
  readonly sql: string;
  /** Path in the folder. */
  readonly snapshotFile: string;
  readonly snapshot: string;
  readonly journal: string;
  readonly warnings: readonly string[];
}

/**
 * Looks at what drizzle-kit wrote instead of trusting that it did: one migration more, whole, on top
 * of the newest, and nothing else touched.
 *
 * @throws MigrateError `history_invalid`, with all that is not so
 */
export async function checkWritten(
  folder: KitFolder,
  copy: string,
  options: { readonly stamps: ReadonlyMap<string, string>; readonly custom: boolean },
): Promise<Written> {
  const problems: string[] = [];
  const journal = JSON.parse(withoutBom(await readFile(join(copy, JOURNAL), "utf8"))) as {
    entries: JournalEntry[];
  };
  const before = journal.entries.slice(0, folder.entries.length);
  if (JSON.stringify(before) !== JSON.stringify(folder.entries))
    problems.push("it has changed older entries of the journal");
  const [entry, ...more] = journal.entries.slice(folder.entries.length);
  if (entry === undefined || more.length > 0)
    throw unsound(folder.dir, [...problems, "it has not added one entry to the journal"]);

  const now = await readStamps(copy, [...options.stamps.keys()]);
  for (const [file, stamp] of options.stamps) {
    if (now.get(file) !== stamp) problems.push(`it has changed ${file}`);
  }
  const { tag } = entry;
  const sql = await readIfThere(join(copy, `${tag}.sql`));
  if (sql === undefined) problems.push(`it has not written ${tag}.sql`);
  else if (sql.trim() === "") problems.push(`${tag}.sql is empty`);

  const added = (await readdir(join(copy, "meta")))
    .map((name) => `meta/${name}`)
    .filter((name) => name !== JOURNAL && !options.stamps.has(name));
  const [snapshotFile = ""] = added;
  const snapshot = added.length === 1 ? await readIfThere(join(copy, snapshotFile)) : undefined;
  if (snapshot === undefined)
    problems.push(`it has not written one snapshot: ${added.join(", ") || "none"}`);
  else if (idOf(snapshot, "prevId") !== (await newestId(folder)))
    problems.push(`${snapshotFile} does not follow on ${folder.newestSnapshot ?? "nothing"}`);
  if (problems.length > 0) throw unsound(folder.dir, problems);

  const newest = Math.max(0, ...folder.entries.map(({ when }) => when));
  const warnings: string[] = [];
  if (entry.when <= newest) {
    warnings.push(
      `this clock is behind the newest migration (${new Date(newest).toISOString()}): ${tag} is dated just behind it, because drizzle's own migrator skips what is older`,
    );
    journal.entries[folder.entries.length] = { ...entry, when: newest + 1 };
  }
  const text = JSON.stringify(journal, null, 2);
  return { tag, sql: sql ?? "", snapshotFile, snapshot: snapshot ?? "", journal: text, warnings };
}

async function newestId({ path, newestSnapshot }: KitFolder): Promise<string> {
  if (newestSnapshot === undefined) return NO_SNAPSHOT_ID;
  return idOf(await readFile(join(path, newestSnapshot), "utf8"), "id");
}

function idOf(snapshot: string, field: "id" | "prevId"): string {
  return (JSON.parse(snapshot) as Record<string, string>)[field] ?? "";
}

async function readIfThere(file: string): Promise<string | undefined> {
  return existsSync(file) ? readFile(file, "utf8") : undefined;
}

function unsound(dir: string, problems: readonly string[]): MigrateError {
  return new MigrateError({
    code: "history_invalid",
    fact: `drizzle-kit has written what cannot be kept: ${problems.join("; ")}.`,
    outcome: "nothing-written",
    remedy: `${dir} is as it was.`,
  });
}
