import type { Admin } from "./admin.ts";
import { dropDatabase, dropTemplate, listMarked, type MarkedDatabase } from "./databases.ts";
import { sqlStateOf } from "./errors.ts";
import { isLeftBehind } from "./marks.ts";

// A dropped database costs a checkpoint. One template is made a time, so it goes down.
const MOST_A_TIME = 20;

/**
 * Drops what was left behind: templates that nobody used for a day, drafts of makers that were
 * killed, databases of tests that were killed.
 */
export async function dropLeftBehind(admin: Admin): Promise<void> {
  const found = await listMarked(admin);
  const old = found.filter(({ mark, inUse }) => !inUse && isLeftBehind(mark, admin.nowS));
  try {
    for (const database of old.slice(0, MOST_A_TIME)) await drop(admin, database);
  } catch (error) {
    // It became used just now, or another cleans up too: no reason for a test to fail.
    if (sqlStateOf(error) === undefined) throw error;
  }
}

/** Drops all templates, however new. */
export async function dropAllTemplates(admin: Admin): Promise<void> {
  for (const database of await listMarked(admin)) {
    if (database.mark.purpose === "template") await drop(admin, database);
  }
}

function drop(admin: Admin, { name, mark }: MarkedDatabase): Promise<void> {
  return mark.purpose === "test" ? dropDatabase(admin, name) : dropTemplate(admin, name);
}
