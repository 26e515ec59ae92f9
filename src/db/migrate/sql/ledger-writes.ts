import type { Node, RangeVar } from "libpg-query";
import { refusal } from "./refuse.ts";
import type { ParsedStep } from "./segments.ts";

/** Statements by what they are called, and where in the tree their target is. */
const TARGETS: Readonly<Record<string, readonly [string, string]>> = {
  InsertStmt: ["INSERT INTO", "relation"],
  UpdateStmt: ["UPDATE of", "relation"],
  DeleteStmt: ["DELETE FROM", "relation"],
  MergeStmt: ["MERGE INTO", "relation"],
  TruncateStmt: ["TRUNCATE of", "relations"],
  LockStmt: ["LOCK of", "relations"],
  AlterTableStmt: ["ALTER of", "relation"],
  RenameStmt: ["RENAME of", "relation"],
  AlterObjectSchemaStmt: ["SET SCHEMA of", "relation"],
  IndexStmt: ["CREATE INDEX on", "relation"],
  CreateTrigStmt: ["CREATE TRIGGER on", "relation"],
  RuleStmt: ["CREATE RULE on", "relation"],
  CreatePolicyStmt: ["CREATE POLICY on", "table"],
  AlterPolicyStmt: ["ALTER POLICY on", "table"],
  DropStmt: ["DROP of", "objects"],
  GrantStmt: ["GRANT or REVOKE on", "objects"],
  AlterOwnerStmt: ["ALTER OWNER of", "object"],
};

/**
 * Refuses a statement that changes the ledger, which only Tidemark writes: what it says of the database would not be
 * so any more, or nobody could migrate. What is in the text of a function or a DO block cannot be seen here.
 *
 * @param schema of the ledger
 * @throws MigrateError `unsupported_statement`
 */
export function refuseLedgerWrites(steps: readonly ParsedStep[], schema: string): void {
  for (const { migration, statements } of steps) {
    if (!mayName(migration.sql, schema)) continue;
    for (const [index, statement] of statements.entries()) {
      const what = ledgerWriteOf(statement.tree, schema);
      if (what === undefined) continue;
      const remedy =
        "Only Tidemark writes its ledger. To correct what it says: `tidemark repair`, `resolve`, `adopt`; rights on it are given by `tidemark init`, or by hand. Take the statement out.";
      throw refusal(migration, { statement, index }, { what: `${what}, of the ledger`, remedy });
    }
  }
}

/** Most files do not name it. With a quote in it, or in escapes, its name is written otherwise than it reads. */
function mayName(sql: string, schema: string): boolean {
  return (
    schema.includes('"') || /u&"/i.test(sql) || sql.toLowerCase().includes(schema.toLowerCase())
  );
}

/** What a statement does to the ledger, as `DELETE FROM tidemark.runner`. */
export function ledgerWriteOf(tree: Node, schema: string): string | undefined {
  for (const [kind, node] of nodesOf(tree)) {
    const [verb, field] = TARGETS[kind] ?? [];
    if (verb === undefined || field === undefined) continue;
    const found = targetIn(kind, node, node[field], schema);
    if (found !== undefined) return `${verb} ${found}`;
  }
  return undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** All of the tree's nodes that have a kind: a statement may hide in a WITH. */
function* nodesOf(value: unknown): Generator<readonly [string, Fields]> {
  if (Array.isArray(value)) {
    for (const one of value) yield* nodesOf(one);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      if (/^[A-Z]/.test(key) && typeof inner === "object" && inner !== null) yield [key, inner];
      yield* nodesOf(inner);
    }
  }
}

function targetIn(kind: string, node: Fields, target: unknown, schema: string): string | undefined {
  for (const one of Array.isArray(target) ? target : [target]) {
    const names = namesOf(one);
    const [first, second] = names;
    if (first === undefined) continue;
    // A schema by itself: DROP SCHEMA, GRANT ON SCHEMA, ALL TABLES IN SCHEMA, ALTER SCHEMA.
    const isSchema =
      names.length === 1 &&
      (isOfSchema(node) || (kind === "GrantStmt" && node.targtype === "ACL_TARGET_ALL_IN_SCHEMA"));
    if (isSchema && first === schema) return `schema ${schema}`;
    if (second !== undefined && first === schema) return `${schema}.${second}`;
  }
  // ALTER SCHEMA … RENAME has it elsewhere.
  return kind === "RenameStmt" && isOfSchema(node) && node.subname === schema
    ? `schema ${schema}`
    : undefined;
}

function isOfSchema(node: Fields): boolean {
  return [node.removeType, node.objtype, node.objectType, node.renameType].includes(
    "OBJECT_SCHEMA",
  );
}

/** `["tidemark", "runner"]`, from any of the forms in which a tree names something. */
function namesOf(target: unknown): readonly string[] {
  if (typeof target !== "object" || target === null) return [];
  if ("relname" in target) {
    const { schemaname, relname = "" } = target as RangeVar;
    return schemaname === undefined ? [relname] : [schemaname, relname];
  }
  if ("sval" in target) return [String(target.sval)];
  if ("items" in target && Array.isArray(target.items)) return target.items.flatMap(namesOf);
  if ("objname" in target && Array.isArray(target.objname)) return target.objname.flatMap(namesOf);
  const [inner] = Object.values(target);
  return namesOf(inner);
}
