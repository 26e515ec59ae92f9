import { type History, MigrateError, type Migration, parseMigration } from "../migrate/index.ts";
import { strongLocks, tablesMade } from "./locks.ts";
import { placeOf } from "./place.ts";
import type { Finding, Outcome } from "./types.ts";

type Statements = Awaited<ReturnType<typeof parseMigration>>;

/**
 * Each file can be run, as far as can be told without running it; what a person should know of new
 * ones is a warning.
 *
 * @param news tags that may never have run; undefined where nobody knows: all
 */
export async function checkSql(
  { migrations }: History,
  news: ReadonlySet<string> | undefined,
): Promise<Outcome> {
  const findings: Finding[] = [];
  for (const migration of migrations) {
    const isNew = news?.has(migration.tag) ?? true;
    try {
      const statements = await parseMigration(migration);
      if (isNew) findings.push(...warningsOf(migration, statements));
    } catch (error) {
      if (!(error instanceof MigrateError)) throw error;
      findings.push(refused(migration, error));
    }
  }
  return { findings };
}

function refused({ file }: Migration, error: MigrateError): Finding {
  const { fact, remedy } = error;
  return {
    level: "error",
    fact: fact.trimEnd(),
    remedy,
    file,
    ...placeOf(error),
  };
}

function warningsOf(migration: Migration, statements: Statements): readonly Finding[] {
  const made = new Set(statements.flatMap(({ tree }) => tablesMade(tree)));
  return statements.flatMap(({ tree, offset }) => {
    const line = migration.sql.slice(0, offset).split("\n").length;
    const place = { level: "warning", file: migration.file, line } as const;
    const locks = strongLocks(tree, made).map(
      ({ mode, table, hint }): Finding => ({
        ...place,
        fact: `${migration.file}:${line} takes a lock ${mode} on ${table}, which is not made in this file.`,
        remedy: hint,
      }),
    );
    return isCommit(tree) ? [{ ...place, ...commitWarning(migration, line) }, ...locks] : locks;
  });
}

function isCommit(tree: Statements[number]["tree"]): boolean {
  return "TransactionStmt" in tree && tree.TransactionStmt.kind === "TRANS_STMT_COMMIT";
}

function commitWarning({ file }: Migration, line: number): Pick<Finding, "fact" | "remedy"> {
  return {
    fact: `${file}:${line} holds a COMMIT: what stands before it stays, should the rest fail.`,
    remedy:
      "Tidemark needs none: it runs what no transaction can hold outside of one. Take it out of a file that was never applied.",
  };
}
