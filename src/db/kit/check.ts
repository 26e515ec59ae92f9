import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere, readText } from "../base/files.ts";
import { MigrateError, readJournal, redated, type Tag } from "../migrate/index.ts";
import { JOURNAL, type KitFolder, readStamps } from "./kit-folder.ts";
import { schemaAt } from "./snapshot-states.ts";
import { parseSnapshot, type Snapshot, type SnapshotSchema } from "./snapshots.ts";

const NO_SNAPSHOT_ID = "00000000-0000-0000-0000-000000000000";

/** What drizzle-kit has added to its copy of the folder. */
export interface Written {
  readonly tag: Tag;
  readonly sql: string;
  readonly snapshot: Snapshot;
  readonly snapshotText: string;
  /** The schema that the snapshot describes. */
  readonly schema: SnapshotSchema;
  /**
   * Text of the journal, with a later time for the migration where this clock is wrong; undefined in
   * the layout of 1.x.
   */
  readonly journal: string | undefined;
  readonly warnings: readonly string[];
}

/**
 * Checks what drizzle-kit wrote instead of trusting it: one migration more, whole, following the
 * newest, and nothing else touched.
 *
 * @throws MigrateError `history_invalid`, with everything that is wrong
 */
export async function checkWritten(
  folder: KitFolder,
  copy: string,
  stamps: ReadonlyMap<string, string>,
): Promise<Written> {
  const problems: string[] = [];
  const journal = await readText(join(copy, JOURNAL));
  const { entries } = readJournal(journal, JOURNAL);
  const older = folder.entries.length;
  if (JSON.stringify(entries.slice(0, older)) !== JSON.stringify(folder.entries))
    problems.push("it has changed older entries of the journal");
  const [entry, ...more] = entries.slice(older);
  if (entry === undefined || more.length > 0)
    throw unsound(folder.dir, [...problems, "it has not added one entry to the journal"]);

  const now = await readStamps(copy, [...stamps.keys()]);
  for (const [file, stamp] of stamps) {
    if (now.get(file) !== stamp) problems.push(`it has changed ${file}`);
  }
  const { tag } = entry;
  const sql = await readIfThere(join(copy, `${tag}.sql`));
  if (sql === undefined) problems.push(`it has not written ${tag}.sql`);
  else if (sql.trim() === "") problems.push(`${tag}.sql is empty`);

  const added = (await readdir(join(copy, "meta")))
    .map((name) => `meta/${name}`)
    .filter((name) => name !== JOURNAL && !stamps.has(name));
  const [path = ""] = added;
  const snapshotText = added.length === 1 ? await readIfThere(join(copy, path)) : undefined;
  const snapshot = parseSnapshot(path, snapshotText ?? "");
  const [newestSnapshot] = folder.ends;
  if (snapshotText === undefined)
    problems.push(`it has not written one snapshot: ${added.join(", ") || "none"}`);
  else if (typeof snapshot === "string") problems.push(`${path} is no snapshot: ${snapshot}`);
  else if (snapshot.prevIds[0] !== (newestSnapshot?.id ?? NO_SNAPSHOT_ID))
    problems.push(`${path} does not follow ${newestSnapshot?.path ?? "nothing"}`);
  if (sql === undefined || snapshotText === undefined || typeof snapshot === "string")
    throw unsound(folder.dir, problems);
  if (problems.length > 0) throw unsound(folder.dir, problems);

  const found = { tag, sql, snapshot, snapshotText, schema: schemaAt([snapshot], [snapshot]) };
  const newest = Math.max(0, ...folder.entries.map(({ when = 0 }) => when));
  if ((entry.when ?? 0) > newest) return { ...found, journal, warnings: [] };
  const warning = `this clock is behind the newest migration (${new Date(newest).toISOString()}): ${tag} is dated just after it, because drizzle's own migrator skips what is older`;
  return { ...found, journal: redated(journal, newest + 1), warnings: [warning] };
}

export function unsound(dir: string, problems: readonly string[]): MigrateError {
  return new MigrateError({
    code: "history_invalid",
    fact: `drizzle-kit's output cannot be kept: ${problems.join("; ")}.`,
    outcome: "nothing-written",
    remedy: `${dir} is as it was.`,
  });
}
