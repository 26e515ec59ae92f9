import postgres from "postgres";
import { DatabaseMigrator, MigrateError } from "../migrate/index.ts";
import { openSession } from "../pool/open-session.ts";
import { stageHistory } from "./staged.ts";

/** A file of SQL, which need not lie on the disk. */
export interface AppliedFile {
  /** As people name it in messages: `drizzle/0003_add_orgs.down.sql`. */
  readonly file: string;
  readonly sql: string;
}

/** Schema of the record that a file's run needs, and that is dropped behind it. */
export const APPLY_LEDGER = "tidemark_scratch";

/**
 * Runs a file as the engine runs a migration: cut into segments, what no transaction can hold outside
 * of one, settings to its end. It leaves no record behind.
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
    await runAlone(url, applied, signal);
  } finally {
    await ask(url, `drop schema if exists ${APPLY_LEDGER} cascade`);
  }
}

/**
 * Runs statements one by one, each in a transaction of its own; those that the server refuses are left out.
 *
 * @throws DatabaseError
 */
export async function applyEach(
  { url }: { readonly url: string },
  statements: readonly string[],
): Promise<void> {
  const session = await openSession(url, "tidemark-scratch");
  try {
    for (const text of statements) {
      await session.run({ text }).catch((error: unknown) => {
        if (!(error instanceof postgres.PostgresError)) throw error;
      });
    }
  } finally {
    await session.end();
  }
}

async function runAlone(
  url: string,
  { file, sql }: AppliedFile,
  signal: AbortSignal | undefined,
): Promise<void> {
  const staged = await stageHistory([{ tag: "file", sql }], () => file);
  try {
    const migrator = new DatabaseMigrator({ url, dir: staged.dir, ledgerSchema: APPLY_LEDGER });
    await migrator.migrate({ allowExisting: true, ...(signal && { signal }) });
  } catch (error) {
    throw staged.explain(error);
  } finally {
    await staged.remove();
  }
}

/**
 * Default privileges would grant the record's tables to roles that the file may want to drop. So it
 * is made before, by a run that fails and leaves the record behind.
 */
async function withdrawGrants(url: string, signal: AbortSignal | undefined): Promise<void> {
  const [row] = await ask(url, `select ${GRANTEES} as grantees`);
  const grantees = row?.grantees;
  if (typeof grantees !== "string") return;
  try {
    await runAlone(url, { file: "nothing", sql: "select 1/0" }, signal);
  } catch (error) {
    if (!(error instanceof MigrateError && error.code === "migration_failed")) throw error;
  }
  for (const kind of ["tables", "sequences", "functions"]) {
    await ask(url, `revoke all on all ${kind} in schema ${APPLY_LEDGER} from ${grantees}`);
  }
  await ask(url, `revoke all on schema ${APPLY_LEDGER} from ${grantees}`);
}

/** Of all default privileges, quoted; null where there are none but the owners' own. */
const GRANTEES = `(
  select string_agg(distinct quote_ident(r.rolname), ', ')
  from pg_default_acl d, aclexplode(d.defaclacl) a join pg_roles r on r.oid = a.grantee
  where a.grantee <> d.defaclrole)`;

async function ask(url: string, text: string) {
  const session = await openSession(url, "tidemark-scratch");
  try {
    return await session.run({ text });
  } finally {
    await session.end();
  }
}
