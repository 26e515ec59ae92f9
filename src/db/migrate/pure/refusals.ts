import type { Node } from "libpg-query";
import { MigrateError } from "../errors.ts";
import type { Checksum, Migration } from "../types.ts";
import { prefixOf } from "./checksum.ts";
import { placeOf, snippet } from "./position.ts";
import type { Statement } from "./statements.ts";

/** Why a statement cannot be run as part of a migration, and what to do instead. */
interface Refusal {
  readonly what: string;
  readonly remedy: string;
}

/**
 * Refuses a file whose text is not what was written: the database would get other characters.
 *
 * @throws MigrateError `history_invalid`
 */
export function refuseDamaged({ file, sql, tag, isDamaged }: Migration): void {
  // UTF-16 is told by its NUL bytes.
  if (!isDamaged || sql.includes("\0")) return;
  const offset = Math.max(sql.indexOf("\uFFFD"), 0);
  const { line, column } = placeOf(sql, offset);
  throw new MigrateError({
    code: "history_invalid",
    tag,
    fact: `${file}:${line}:${column}: bytes that are not UTF-8\n\n${snippet(sql, offset)}\n`,
    remedy:
      "Nothing was run. Save the file as UTF-8; `iconv -f latin1 -t utf-8` makes it of the most common other encoding.",
  });
}

/**
 * Refuses what a migration's transaction cannot hold, before anything runs.
 *
 * @throws MigrateError `unsupported_statement`, naming the first such statement.
 */
export function refuseUnsupported(migration: Migration, statements: readonly Statement[]): void {
  for (const [i, statement] of statements.entries()) {
    const refusal = refusalOf(statement.tree);
    if (refusal === undefined) continue;
    const { line, column } = placeOf(migration.sql, statement.offset);
    throw new MigrateError({
      code: "unsupported_statement",
      tag: migration.tag,
      fact: `${migration.file}:${line}:${column}: statement ${i + 1} of ${statements.length} is ${refusal.what}\n\n${snippet(migration.sql, statement.offset)}\n`,
      remedy: `Nothing was run. ${refusal.remedy}`,
    });
  }
}

/**
 * An interrupted migration may be edited only behind the statements that are committed.
 *
 * @throws MigrateError `checksum_mismatch`
 */
export function refuseChangedPrefix(
  step: {
    readonly migration: Migration;
    readonly resumeAt: number;
    readonly prefix: Checksum | null;
  },
  statements: readonly Statement[],
): void {
  const { migration, resumeAt, prefix } = step;
  if (resumeAt === 0) return;
  const now = prefixOf(statements.slice(0, resumeAt));
  if (statements.length >= resumeAt && now === prefix) return;
  throw new MigrateError({
    code: "checksum_mismatch",
    tag: migration.tag,
    fact:
      `${migration.file} was edited within its first ${resumeAt} statements, which are committed.\n` +
      `  committed: ${prefix ?? "unknown"}\n  on disk: ${now}`,
    remedy: "Nothing was run. Restore these statements; what comes after them may change.",
  });
}

const OUTSIDE = "which PostgreSQL refuses inside a transaction";
const ALONE =
  "Tidemark runs each migration in one transaction and does not run such statements yet: " +
  "take it out of the file and run it by hand, or use the form that a transaction can hold.";
const CLUSTER_WIDE =
  "It is not part of one database's schema: create it where the server is set up, and take it out of the file.";

/** Why the statement is refused; undefined when it is not. */
export function refusalOf(tree: Node): Refusal | undefined {
  if ("TransactionStmt" in tree) {
    const kind = (tree.TransactionStmt.kind ?? "").replace("TRANS_STMT_", "").replaceAll("_", " ");
    return {
      what: `transaction control (${kind})`,
      remedy:
        "Tidemark opens and commits the transaction of each migration itself, so that its effect " +
        "and its record are one: take the statement out of the file.",
    };
  }
  if ("VariableSetStmt" in tree && tree.VariableSetStmt.name === "TRANSACTION") {
    return {
      what: "SET TRANSACTION",
      remedy:
        "Each migration runs READ COMMITTED and READ WRITE: take the statement out of the file.",
    };
  }
  if ("IndexStmt" in tree && tree.IndexStmt.concurrent) {
    return { what: `CREATE INDEX CONCURRENTLY, ${OUTSIDE}`, remedy: ALONE };
  }
  if ("DropStmt" in tree && tree.DropStmt.concurrent) {
    return { what: `DROP INDEX CONCURRENTLY, ${OUTSIDE}`, remedy: ALONE };
  }
  if ("ReindexStmt" in tree) {
    const { kind, params } = tree.ReindexStmt;
    const concurrently = params?.some(
      (item) => "DefElem" in item && item.DefElem.defname === "concurrently",
    );
    const wide = kind !== "REINDEX_OBJECT_INDEX" && kind !== "REINDEX_OBJECT_TABLE";
    if (concurrently) return { what: `REINDEX CONCURRENTLY, ${OUTSIDE}`, remedy: ALONE };
    if (wide) return { what: `REINDEX of more than a table, ${OUTSIDE}`, remedy: ALONE };
  }
  if ("VacuumStmt" in tree && tree.VacuumStmt.is_vacuumcmd) {
    return { what: `VACUUM, ${OUTSIDE}`, remedy: ALONE };
  }
  if ("ClusterStmt" in tree && tree.ClusterStmt.relation === undefined) {
    return { what: `CLUSTER of all tables, ${OUTSIDE}`, remedy: ALONE };
  }
  if ("AlterTableStmt" in tree && detachesConcurrently(tree.AlterTableStmt.cmds ?? [])) {
    return { what: `DETACH PARTITION CONCURRENTLY, ${OUTSIDE}`, remedy: ALONE };
  }
  if ("DiscardStmt" in tree && tree.DiscardStmt.target === "DISCARD_ALL") {
    return {
      what: `DISCARD ALL, ${OUTSIDE}`,
      remedy: "Settings end with the file anyway: take the statement out.",
    };
  }
  if ("CopyStmt" in tree && !tree.CopyStmt.filename && !tree.CopyStmt.is_program) {
    return {
      what: "COPY from or to the client",
      remedy: "A migration has no client data stream: write the rows as INSERT statements.",
    };
  }
  return clusterWide(tree);
}

function clusterWide(tree: Node): Refusal | undefined {
  const names: Readonly<Record<string, string>> = {
    AlterSystemStmt: "ALTER SYSTEM",
    CreatedbStmt: "CREATE DATABASE",
    DropdbStmt: "DROP DATABASE",
    CreateTableSpaceStmt: "CREATE TABLESPACE",
    DropTableSpaceStmt: "DROP TABLESPACE",
    CreateSubscriptionStmt: "CREATE SUBSCRIPTION",
    AlterSubscriptionStmt: "ALTER SUBSCRIPTION",
    DropSubscriptionStmt: "DROP SUBSCRIPTION",
  };
  const [kind = ""] = Object.keys(tree);
  const name =
    names[kind] ??
    ("AlterDatabaseStmt" in tree && movesTablespace(tree.AlterDatabaseStmt.options ?? [])
      ? "ALTER DATABASE … SET TABLESPACE"
      : undefined);
  return name === undefined ? undefined : { what: name, remedy: CLUSTER_WIDE };
}

function detachesConcurrently(commands: readonly Node[]): boolean {
  return commands.some((item) => {
    if (!("AlterTableCmd" in item)) return false;
    const { subtype, def } = item.AlterTableCmd;
    const concurrent = def !== undefined && "PartitionCmd" in def && def.PartitionCmd.concurrent;
    return subtype === "AT_DetachPartition" && concurrent === true;
  });
}

function movesTablespace(options: readonly Node[]): boolean {
  return options.some((item) => "DefElem" in item && item.DefElem.defname === "tablespace");
}
