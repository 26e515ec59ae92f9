import { errorCode } from "../base/problem.ts";
import { isServerError } from "../connection/session.ts";
import { DatabaseMigrator } from "../migrate/index.ts";
import { type Admin, withAdmin } from "../server/admin.ts";

/** A file of SQL, which need not be on disk. */
export interface AppliedFile {
  /** As messages name it: `drizzle/0003_add_orgs.down.sql`. */
  readonly file: string;
  readonly sql: string;
}

/** Schema of the ledger that a file's run needs, and that is dropped after it. */
export const APPLY_LEDGER = "tidemark_scratch";

/**
 * Runs a file as the engine runs a migration: split into segments, with non-transactional statements
 * outside of a transaction, and settings kept until its end. It leaves no record.
 *
 * @throws MigrateError `migration_failed`, `unsupported_statement`, `history_invalid`, `canceled`,
 * with places in `file`
 */
export async function applyFile(
  { url }: { readonly url: string },
  applied: AppliedFile,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await withdrawGrants(url, signal);
    await runOnly(url, applied, signal);
  } finally {
    await withAdmin({ url }, (admin) => admin.ask(`drop schema if exists ${APPLY_LEDGER} cascade`));
  }
}

/**
 * Runs statements one by one, each in a transaction of its own, and skips those that the server
 * refuses.
 */
export async function applyEach(
  { url }: { readonly url: string },
  statements: readonly string[],
): Promise<void> {
  await withAdmin({ url }, async (admin) => {
    for (const text of statements) {
      await admin.ask(text).catch((error: unknown) => {
        if (!isServerError(error)) throw error;
      });
    }
  });
}

async function runOnly(
  url: string,
  { file, sql }: AppliedFile,
  signal: AbortSignal | undefined,
): Promise<void> {
  const history = [{ tag: "file", sql, file }];
  const migrator = new DatabaseMigrator({ url, history, ledgerSchema: APPLY_LEDGER });
  await migrator.migrate({ allowExisting: true, ...(signal && { signal }) });
}

/**
 * Default privileges would grant the ledger's tables to roles that the file may want to drop. So a
 * run that fails creates the ledger first, and the grants are taken from it.
 */
async function withdrawGrants(url: string, signal: AbortSignal | undefined): Promise<void> {
  await withAdmin({ url }, async (admin: Admin) => {
    const [row] = await admin.ask<{ grantees: string | null }>(GRANTEES);
    const grantees = row?.grantees;
    if (!grantees) return;
    await runOnly(url, { file: "nothing", sql: "select 1/0" }, signal).catch((error: unknown) => {
      if (errorCode(error) !== "migration_failed") throw error;
    });
    for (const kind of ["tables", "sequences", "functions"]) {
      await admin.ask(`revoke all on all ${kind} in schema ${APPLY_LEDGER} from ${grantees}`);
    }
    await admin.ask(`revoke all on schema ${APPLY_LEDGER} from ${grantees}`);
  });
}

/** Of all default privileges, quoted; null if there are none but the owners' own. */
const GRANTEES = `select string_agg(distinct quote_ident(r.rolname), ', ') as grantees
  from pg_default_acl d, aclexplode(d.defaclacl) a join pg_roles r on r.oid = a.grantee
  where a.grantee <> d.defaclrole`;
