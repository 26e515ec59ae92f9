import { identifier, literal } from "../../db/base/quote.ts";
import type { Transaction } from "../../db/pool/index.ts";
import { ProjectionError } from "../projection-error.ts";
import { refuseDependents, tableOids } from "./dependents.ts";
import { type RebuildContext, rebuildSchema } from "./rebuild-context.ts";
import { copyTables, type TableCopy } from "./table-copy.ts";

/**
 * Makes the new tables, empty, in a schema of their own, in one transaction; or finds those of a
 * rebuild that was interrupted. The schema's comment says what they were made after.
 *
 * @throws ProjectionError `not_rebuildable`
 */
export async function prepareTables(context: RebuildContext): Promise<void> {
  const { pool, projection, tables } = context;
  const schema = rebuildSchema(projection.name);
  const isResumed = await pool.transaction(async (tx) => {
    await tx.query("select set_config('search_path', 'pg_catalog', true)");
    const oids = await tableOids(tx, projection.name, tables);
    await refuseDependents(tx, projection.name, oids);
    const copy = await copyTables(tx, oids, schema);
    if (await isPrepared(tx, projection.name, copy)) return true;
    const name = identifier(schema);
    await tx.query(`create schema ${name}`);
    await tx.query(`comment on schema ${name} is ${literal(noteOf(projection.name, copy))}`);
    for (const statement of copy.statements) await tx.query(statement);
    return false;
  });
  context.report({ kind: "prepared", schema, isResumed });
}

/**
 * Whether the new tables are there, and were made after the live ones as they are now: a migration
 * may have changed those meanwhile, and the swap would take that back. The schema's comment knows.
 *
 * @throws ProjectionError `not_rebuildable`
 */
export async function isPrepared(
  tx: Transaction,
  projection: string,
  copy: TableCopy,
): Promise<boolean> {
  const schema = rebuildSchema(projection);
  const existing = await tx.queryOne<{ note: string | null }>(
    `select obj_description(oid, 'pg_namespace') as note from pg_catalog.pg_namespace
     where nspname = $1`,
    [schema],
  );
  if (existing === undefined) return false;
  if (existing.note === noteOf(projection, copy)) return true;
  throw new ProjectionError({
    code: "not_rebuildable",
    fact: `The live tables of ${projection} have changed since those of its rebuild were made in the schema ${schema}.`,
    outcome: "nothing-written",
    remedy: "Abandon that rebuild, then start another one.",
  });
}

function noteOf(projection: string, { digest }: TableCopy): string {
  return `tidemark: rebuild of ${projection}, ${digest}`;
}
