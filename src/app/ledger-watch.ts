import { errorCode } from "../db/base/problem.ts";
import { MigrateError, type StatusReport, type Tag } from "../db/migrate/index.ts";
import type { DatabasePool } from "../db/pool/index.ts";

/** What the database is at, held against this release. */
export type Verdict =
  | { readonly kind: "ready"; readonly version: Tag | undefined; readonly newer: boolean }
  /** Migrations of this release are pending: it was made anew, restored, or has failed over to something older. */
  | {
      readonly kind: "behind";
      readonly version: Tag | undefined;
      readonly tags: readonly Tag[];
      /** What would stop a run. */
      readonly error: MigrateError | undefined;
    }
  /** The ledger says something else than this release, or nothing that could be read. */
  | { readonly kind: "unusable"; readonly error: MigrateError };

export interface WatchedLedger {
  readonly pool: () => DatabasePool | undefined;
  readonly status: () => Promise<StatusReport | MigrateError>;
}

/**
 * Holds the database against this release, each time that it is asked: by a stamp of the ledger, in one query over the
 * pool. Only if that has changed, every `recheckMs`, and each time after a bad verdict, the ledger is read.
 *
 * Undefined as long as nothing is known: a connection that fails says nothing of the ledger, and leaves the last verdict.
 */
export function watchLedger(
  { pool, status }: WatchedLedger,
  recheckMs = RECHECK_MS,
): () => Promise<Verdict | undefined> {
  let last: { readonly stamp: string; readonly until: number } | undefined;
  let verdict: Verdict | undefined;
  return async () => {
    const stamp = await stampOf(pool());
    if (stamp === undefined) return verdict;
    if (last?.stamp === stamp && performance.now() < last.until) return verdict;
    const found = verdictOf(await status());
    if (found === undefined) return verdict;
    verdict = found;
    last = { stamp, until: performance.now() + (found.kind === "ready" ? recheckMs : 0) };
    return verdict;
  };
}

const RECHECK_MS = 15_000;

// Each run adds events; whoever empties, drops or restores a table gives it another file.
const STAMP = `select pg_catalog.concat_ws(' ',
  (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()),
  pg_catalog.pg_relation_filenode('tidemark.schema_migrations'),
  pg_catalog.pg_relation_filenode('tidemark.migration_events'),
  (select max(e.id) from tidemark.migration_events e)) as stamp`;

const NO_TABLE = /^(3F000|42P01)$/;
const NO_RIGHT = "42501";

/** Undefined where the server does not answer, which is told elsewhere. */
async function stampOf(pool: DatabasePool | undefined): Promise<string | undefined> {
  try {
    const row = await pool?.queryOne<{ readonly stamp: string }>(STAMP);
    return row?.stamp;
  } catch (error) {
    const code = errorCode(error) ?? "";
    return NO_TABLE.test(code) || code === NO_RIGHT ? `no ledger: ${code}` : undefined;
  }
}

// Of the server and its locks, or of this release's own files: nothing that the database says. A ledger that a
// newer Tidemark has upgraded is ahead.
const NO_VERDICT: ReadonlySet<string> = new Set([
  "connect",
  "lock_timeout",
  "canceled",
  "history_invalid",
  "missing_file",
  "unsupported_statement",
  "ledger_newer",
]);

function verdictOf(status: StatusReport | MigrateError): Verdict | undefined {
  if (status instanceof MigrateError) {
    return NO_VERDICT.has(status.code) ? undefined : { kind: "unusable", error: status };
  }
  const { migrations, repeatables, pending, pendingRepeatables, version, newer } = status;
  const [error] = status.problems;
  // What nobody has begun yet is the plainest answer, whatever else follows from it.
  if (pending + pendingRepeatables > 0) {
    const todo = migrations.filter(({ state }) => state.kind !== "DONE").map(({ tag }) => tag);
    const toRun = repeatables.filter(({ state }) => state !== "DONE").map(({ tag }) => tag);
    return { kind: "behind", version, tags: [...todo, ...(newer ? [] : toRun)], error };
  }
  return error === undefined ? { kind: "ready", version, newer } : { kind: "unusable", error };
}
