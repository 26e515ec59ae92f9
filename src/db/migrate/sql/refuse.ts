import type { Node, TransactionStmt } from "libpg-query";
import { MigrateError } from "../errors.ts";
import { prefixOf } from "../history/checksum.ts";
import type { Checksum, Migration } from "../types.ts";
import { errorAt } from "./snippet.ts";
import type { Placed, Statement } from "./statements.ts";

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
export function refuseDamaged(migration: Migration): void {
  const { sql, isDamaged } = migration;
  // UTF-16 is told by its NUL bytes.
  if (!isDamaged || sql.includes("\0")) return;
  throw errorAt(migration, Math.max(sql.indexOf("\uFFFD"), 0), {
    code: "history_invalid",
    what: "bytes that are not UTF-8",
    remedy:
      "Save the file as UTF-8; `iconv -f latin1 -t utf-8` converts it from the most common other encoding.",
  });
}

/**
 * Refuses what is no part of a migration, before anything runs.
 *
 * @throws MigrateError `unsupported_statement`, naming the first such statement.
 */
export function refuseUnsupported(migration: Migration, statements: readonly Statement[]): void {
  for (const [index, statement] of statements.entries()) {
    const refused = refusalOf(statement.tree);
    if (refused === undefined) continue;
    throw refusal(migration, { statement, index }, refused, statements.length);
  }
}

/** The error of a statement that is refused. */
export function refusal(
  migration: Migration,
  { statement, index }: Placed,
  { what, remedy }: Refusal,
  of?: number,
): MigrateError {
  const number = `statement ${index + 1}${of === undefined ? "" : ` of ${of}`}`;
  const error = { code: "unsupported_statement", what: `${number} is ${what}`, remedy } as const;
  return errorAt(migration, statement.offset, error);
}

/**
 * An interrupted migration may be edited only after the statements that are committed.
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
  const now = prefixOf(statements, resumeAt);
  if (statements.length >= resumeAt && now === prefix) return;
  throw new MigrateError({
    code: "checksum_mismatch",
    tag: migration.tag,
    fact:
      `${migration.file} was edited within its first ${resumeAt} statements, which are committed.\n` +
      `  committed: ${prefix ?? "unknown"}\n  on disk: ${now}`,
    outcome: "nothing-run",
    remedy: "Restore these statements; what comes after them may change.",
  });
}

const MODE_SETTINGS = /^transaction(_isolation|_read_only|_deferrable)?$/i;
const MODES =
  "Each transaction runs READ COMMITTED and READ WRITE: take the statement or its options out of the file.";
const CLUSTER_WIDE =
  "It is not part of one database's schema: create it where the server is set up, and take it out of the file.";

/** Why the statement is refused; undefined when it is not. */
export function refusalOf(tree: Node): Refusal | undefined {
  if ("TransactionStmt" in tree) return transactionControl(tree.TransactionStmt);
  if ("VariableSetStmt" in tree && MODE_SETTINGS.test(tree.VariableSetStmt.name ?? "")) {
    return { what: "SET TRANSACTION", remedy: MODES };
  }
  if ("IndexStmt" in tree && tree.IndexStmt.concurrent && tree.IndexStmt.idxname === undefined) {
    return {
      what: "CREATE INDEX CONCURRENTLY without a name",
      remedy:
        "After an interruption it could not be told apart from another index: give it a name.",
    };
  }
  if ("DiscardStmt" in tree && tree.DiscardStmt.target === "DISCARD_ALL") {
    return {
      what: "DISCARD ALL, which PostgreSQL refuses inside a transaction",
      remedy: "Settings end with the file anyway: take the statement out.",
    };
  }
  if ("CopyStmt" in tree && !tree.CopyStmt.filename && !tree.CopyStmt.is_program) {
    return {
      what: "COPY from or to the client",
      remedy:
        "A migration has no client that sends or takes rows. After COPY … FROM stdin the lines up to \\. are rows and no SQL: " +
        "write them as INSERT statements, as pg_dump --inserts does.",
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

/** `BEGIN` and `COMMIT` are borders between transactions; the rest would undo what is recorded. */
function transactionControl(statement: TransactionStmt): Refusal | undefined {
  const { kind = "", options = [] } = statement;
  const usual = options.every(isUsualMode);
  if (kind === "TRANS_STMT_COMMIT" || (isBegin(kind) && usual)) return undefined;
  const name = kind.replace("TRANS_STMT_", "").replaceAll("_", " ");
  if (isBegin(kind)) return { what: `${name} with a mode of its own`, remedy: MODES };
  return {
    what: `transaction control (${name})`,
    remedy:
      "Tidemark opens and commits the transactions of a migration itself, so that its effect " +
      "and its record are one: take the statement out of the file.",
  };
}

function isBegin(kind: string): boolean {
  return kind === "TRANS_STMT_BEGIN" || kind === "TRANS_STMT_START";
}

function isUsualMode(option: Node): boolean {
  if (!("DefElem" in option)) return false;
  const { defname, arg } = option.DefElem;
  const value = arg !== undefined && "A_Const" in arg ? arg.A_Const : undefined;
  if (defname === "transaction_isolation") return value?.sval?.sval === "read committed";
  // A zero is left out of the tree.
  return defname === "transaction_read_only" && !value?.ival?.ival;
}

function movesTablespace(options: readonly Node[]): boolean {
  return options.some((item) => "DefElem" in item && item.DefElem.defname === "tablespace");
}
