import { errorCode } from "../base/problem.ts";
import { identifier, literal } from "../base/quote.ts";
import { isServerError } from "../connection/session.ts";
import type { Admin } from "./admin.ts";
import { formatMark, isLeftBehind, NAME_PATTERN, type Purpose, parseMark } from "./marks.ts";

const FILE_COPY_SINCE = 150_000;
const OBJECT_IN_USE = "55006";
const IN_USE_TIMEOUT_MS = 30_000;

/**
 * Creates a database by copying another: `template0` is empty; `template1` may hold objects that
 * somebody wants in every new database.
 *
 * @throws ServerError
 */
export async function createDatabase(
  admin: Admin,
  name: string,
  template = "template0",
): Promise<void> {
  // A tenth of the time of the other strategy, for a database as small as these.
  const strategy = admin.serverVersion >= FILE_COPY_SINCE ? " strategy file_copy" : "";
  const end = performance.now() + IN_USE_TIMEOUT_MS;
  for (;;) {
    try {
      await admin.ask(
        `create database ${identifier(name)} template ${identifier(template)}${strategy}`,
      );
      return;
    } catch (error) {
      // Somebody is connected to the template, or has only just left. The server waited five seconds itself.
      if (errorCode(error) !== OBJECT_IN_USE || performance.now() > end) throw error;
    }
  }
}

/** Drops a database, even while others are connected to it; does nothing where there is none. */
export async function dropDatabase(admin: Admin, name: string): Promise<void> {
  await admin.ask(`drop database if exists ${identifier(name)} with (force)`);
}

/** Drops a template, or the draft of one. Waits while it is being copied. */
export async function dropTemplate(admin: Admin, name: string): Promise<void> {
  try {
    await admin.ask(`alter database ${identifier(name)} with is_template false`);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  await dropDatabase(admin, name);
}

const UNDEFINED_DATABASE = "3D000";

export function isMissing(error: unknown): boolean {
  return errorCode(error) === UNDEFINED_DATABASE;
}

/** Notes on the database that it is ours, and in use now. */
export async function markDatabase(admin: Admin, name: string): Promise<void> {
  const mark = formatMark({ atS: admin.nowS(), lockedIn: admin.database });
  await admin.ask(`comment on database ${identifier(name)} is ${literal(mark)}`);
}

/** The databases that are provably ours, and that this role may drop. In use: somebody is connected. */
export async function listMarked(admin: Admin, purposes: readonly Purpose[]) {
  const rows = await admin.ask<{ name: string; comment: string | null; inUse: boolean }>(`
    select
      d.datname as name,
      pg_catalog.shobj_description(d.oid, 'pg_database') as comment,
      exists (select from pg_catalog.pg_stat_activity a where a.datid = d.oid) as "inUse"
    from pg_catalog.pg_database d
    join pg_catalog.pg_roles r on r.oid = d.datdba
    where d.datname like ${literal(NAME_PATTERN)} and r.rolname = current_user
    order by d.datname`);
  return rows.flatMap(({ name, comment, inUse }) => {
    const mark = parseMark(name, comment);
    return mark !== undefined && purposes.includes(mark.purpose) ? [{ name, mark, inUse }] : [];
  });
}

// Dropping a database costs a checkpoint. Templates are made one at a time, so the number falls.
const MOST_A_TIME = 20;

/** Drops the databases of killed processes, and templates that were not used for a day. */
export async function dropLeftBehind(admin: Admin, purposes: readonly Purpose[]): Promise<void> {
  const found = await listMarked(admin, purposes);
  const old = found.filter(({ mark, inUse }) => !inUse && isLeftBehind(mark, admin.nowS()));
  try {
    for (const { name, mark } of old.slice(0, MOST_A_TIME)) {
      const isWhole = mark.purpose === "test" || mark.purpose === "scratch";
      // Without force: the server refuses if somebody has connected to it meanwhile.
      if (isWhole) await admin.ask(`drop database if exists ${identifier(name)}`);
      else await dropTemplate(admin, name);
    }
  } catch (error) {
    // It has come into use, or another process drops it too: no reason to fail.
    if (!isServerError(error)) throw error;
  }
}
