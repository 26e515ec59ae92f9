import { createHash } from "node:crypto";
import { identifier, literal } from "../../db/base/quote.ts";
import { ProjectionError } from "../projection-error.ts";
import { copyStatements } from "./copy-statements.ts";
import { refuseDependents, tableOids } from "./dependents.ts";
import { type RebuildContext, rebuildSchema } from "./rebuild-context.ts";

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
    const statements = await copyStatements(tx, oids, schema);
    const note = `tidemark: rebuild of ${projection.name}, ${fingerprintOf(statements)}`;
    const existing = await tx.queryOne<{ note: string | null }>(
      `select obj_description(oid, 'pg_namespace') as note from pg_catalog.pg_namespace
       where nspname = $1`,
      [schema],
    );
    if (existing !== undefined) {
      if (existing.note === note) return true;
      throw staleTables(projection.name, schema);
    }
    const name = identifier(schema);
    await tx.query(`create schema ${name}`);
    await tx.query(`comment on schema ${name} is ${literal(note)}`);
    for (const statement of statements) await tx.query(statement);
    return false;
  });
  context.report({ kind: "prepared", schema, isResumed });
}

function fingerprintOf(statements: readonly string[]): string {
  return createHash("sha256").update(statements.join("\n")).digest("hex").slice(0, 16);
}

function staleTables(projection: string, schema: string): ProjectionError {
  return new ProjectionError({
    code: "not_rebuildable",
    fact: `The schema ${schema} has the tables of an interrupted rebuild of ${projection}, and the live tables have changed since.`,
    outcome: "nothing-run",
    remedy: "Abandon that rebuild, then start another one.",
  });
}
