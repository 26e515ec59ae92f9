import type { Admin } from "./admin.ts";
import { sqlStateOf } from "./errors.ts";
import { formatMark, type Mark, NAME_PATTERN, parseMark } from "./marks.ts";

/** A database of ours, as the server lists it. */
export interface MarkedDatabase {
  readonly name: string;
  readonly mark: Mark;
  /** Somebody is connected to it. */
  readonly inUse: boolean;
}

/** The databases that are provably ours, and this role's to drop. */
export async function listMarked(admin: Admin): Promise<readonly MarkedDatabase[]> {
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
    return mark === undefined ? [] : [{ name, mark, inUse }];
  });
}

/** Says on the database that it is ours, and used now. */
export async function markDatabase(admin: Admin, name: string): Promise<void> {
  const mark = { atS: admin.nowS, lockedIn: admin.database };
  await admin.ask(`comment on database ${identifier(name)} is ${literal(formatMark(mark))}`);
}

const FILE_COPY_SINCE = 150_000;
const OBJECT_IN_USE = "55006";
const IN_USE_TIMEOUT_MS = 30_000;

/** Creates a database, by copying a template where one is named. Rejects with the server's error. */
export async function createFrom(admin: Admin, name: string, template?: string): Promise<void> {
  const source = template === undefined ? "" : ` template ${identifier(template)}`;
  // A tenth of the time of the other strategy, for a database as small as these.
  const strategy = admin.serverVersion >= FILE_COPY_SINCE ? " strategy file_copy" : "";
  const end = performance.now() + IN_USE_TIMEOUT_MS;
  for (;;) {
    try {
      await admin.ask(`create database ${identifier(name)}${source}${strategy}`);
      return;
    } catch (error) {
      // Somebody is connected to what is copied. The server has waited five seconds itself.
      if (sqlStateOf(error) !== OBJECT_IN_USE || performance.now() > end) throw error;
    }
  }
}

/** Drops a database, whoever is connected to it; one that is not there is fine. */
export async function dropDatabase(admin: Admin, name: string): Promise<void> {
  await admin.ask(`drop database if exists ${identifier(name)} with (force)`);
}

const UNDEFINED_DATABASE = "3D000";

/** Drops a template, or the draft of one. One that is being copied is waited for. */
export async function dropTemplate(admin: Admin, name: string): Promise<void> {
  try {
    await admin.ask(`alter database ${identifier(name)} with is_template false`);
  } catch (error) {
    if (sqlStateOf(error) === UNDEFINED_DATABASE) return;
    throw error;
  }
  await dropDatabase(admin, name);
}

export function isMissing(error: unknown): boolean {
  return sqlStateOf(error) === UNDEFINED_DATABASE;
}

export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
