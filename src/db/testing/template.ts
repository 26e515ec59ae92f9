import { replaceDatabase } from "../base/address.ts";
import { jittered, pause } from "../base/backoff.ts";
import { errorCode, throwAfter } from "../base/problem.ts";
import { identifier, literal } from "../base/quote.ts";
import { DatabaseMigrator, type MigratorOptions, type Tag } from "../migrate/index.ts";
import type { Admin } from "../server/admin.ts";
import {
  createDatabase,
  dropLeftBehind,
  dropTemplate,
  isMissing,
  listMarked,
  markDatabase,
} from "../server/databases.ts";
import {
  draftPrefix,
  isUseOutdated,
  lockOf,
  newDraftName,
  parseMark,
  templateKey,
  templateName,
} from "../server/marks.ts";

export interface TemplateRequest {
  readonly migrator: Omit<MigratorOptions, "url">;
  /** Reads the folder; its database is never migrated. */
  readonly reader: DatabaseMigrator;
  readonly to: Tag | undefined;
}

// Each turn makes the template that the turn before found missing; others may drop it meanwhile.
const MOST_TURNS = 10;

/**
 * Creates a database by copying the template of these migrations, and makes that first if it is
 * missing.
 *
 * @throws MigrateError where the migrations cannot be read or fail, the server's error
 */
export async function createMigrated(
  admin: Admin,
  name: string,
  request: TemplateRequest,
): Promise<void> {
  for (let turn = 1; ; turn += 1) {
    // Computed in each turn: somebody may be editing the files.
    const key = await keyOf(admin, request);
    try {
      await createDatabase(admin, name, templateName(key));
      return noteUse(admin, key);
    } catch (error) {
      if (!isMissing(error) || turn === MOST_TURNS) throw error;
    }
    await provideTemplate(admin, key, request);
  }
}

async function keyOf(admin: Admin, { reader, to }: TemplateRequest): Promise<string> {
  const fingerprint = await reader.fingerprint(to === undefined ? {} : { to });
  return templateKey(fingerprint, admin.role);
}

/** Keeps a template that is in use from being taken for one that was left behind. */
async function noteUse(admin: Admin, key: string): Promise<void> {
  const name = templateName(key);
  const [row] = await admin.ask<{ comment: string | null }>(`
    select pg_catalog.shobj_description(oid, 'pg_database') as comment
    from pg_catalog.pg_database where datname = ${literal(name)}`);
  const mark = parseMark(name, row?.comment ?? null);
  if (mark === undefined || !isUseOutdated(mark, admin.nowS())) return;
  try {
    // Two comments at once would fail: a process that does not get the lock leaves it to the other.
    await withLock(admin, key, () => markDatabase(admin, name));
  } catch (error) {
    // It was dropped since: the copy is complete all the same.
    if (!isMissing(error)) throw error;
  }
}

// The others wait for the first one's migrations. The lock only saves work: without it, the
// first of several makers to rename its draft wins.
const LOCK_TIMEOUT_MS = 120_000;
const PAUSE_MS = 75;

async function provideTemplate(admin: Admin, key: string, request: TemplateRequest): Promise<void> {
  const end = performance.now() + LOCK_TIMEOUT_MS;
  while (!(await templateIsThere(admin, key))) {
    const isDone = await withLock(admin, key, async () => {
      await dropAbandonedDrafts(admin, key);
      await makeTemplate(admin, key, request);
    });
    if (isDone) return;
    if (performance.now() > end) return makeTemplate(admin, key, request);
    // Poll: a session that waits in a lock function holds a snapshot.
    await pause(jittered(PAUSE_MS));
  }
}

async function makeTemplate(admin: Admin, key: string, request: TemplateRequest): Promise<void> {
  // Between the look and the lock, another may have made it.
  if (await templateIsThere(admin, key)) return;
  const draft = newDraftName(key);
  await createDatabase(admin, draft, "template1");
  try {
    await markDatabase(admin, draft);
    await migrateDraft(admin, draft, request);
    if ((await keyOf(admin, request)) === key) await finish(admin, draft, key);
    // The files were edited meanwhile: nobody knows what it holds.
    else await dropTemplate(admin, draft);
  } catch (error) {
    await throwAfter(error, () => dropTemplate(admin, draft));
  }
  await dropLeftBehind(admin, ["template", "draft", "test"]);
}

async function migrateDraft(
  admin: Admin,
  draft: string,
  { migrator, to }: TemplateRequest,
): Promise<void> {
  const url = replaceDatabase(admin.url, draft);
  await new DatabaseMigrator({ ...migrator, url }).migrate({
    // Whatever template1 holds is in every database of that server.
    allowExisting: true,
    ...(to !== undefined && { to }),
  });
}

const DUPLICATE_DATABASE = "42P04";

/** The name is the proof: a database gets it only when it is complete, and closed to everybody. */
async function finish(admin: Admin, draft: string, key: string): Promise<void> {
  const name = identifier(draft);
  await admin.ask(`alter database ${name} with allow_connections false is_template true`);
  try {
    await admin.ask(`alter database ${name} rename to ${identifier(templateName(key))}`);
  } catch (error) {
    // Another maker, without our lock, was first.
    if (errorCode(error) !== DUPLICATE_DATABASE) throw error;
    await dropTemplate(admin, draft);
  }
}

/**
 * Under the lock: a living maker would hold it, if it takes it in the same database. The backend of
 * a killed one may still be at work in its draft.
 */
async function dropAbandonedDrafts(admin: Admin, key: string): Promise<void> {
  for (const { name, mark } of await listMarked(admin, ["draft"])) {
    if (name.startsWith(draftPrefix(key)) && mark.lockedIn === admin.database) {
      await dropTemplate(admin, name);
    }
  }
}

async function templateIsThere(admin: Admin, key: string): Promise<boolean> {
  const rows = await admin.ask(
    `select from pg_catalog.pg_database where datname = ${literal(templateName(key))}`,
  );
  return rows.length > 0;
}

/** Works under the lock of a template; false where another holds it. */
async function withLock(admin: Admin, key: string, work: () => Promise<void>): Promise<boolean> {
  const lock = lockOf(key);
  const [row] = await admin.ask<{ taken: boolean }>(
    `select pg_catalog.pg_try_advisory_lock(${lock}) as taken`,
  );
  if (row?.taken !== true) return false;
  const unlock = () => admin.ask(`select pg_catalog.pg_advisory_unlock(${lock})`);
  try {
    await work();
  } catch (error) {
    await throwAfter(error, unlock);
  }
  await unlock();
  return true;
}
