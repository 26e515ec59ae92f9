import { placeOf } from "../base/place.ts";
import {
  type History,
  MigrateError,
  type Migration,
  parseMigration,
  parseRepeatables,
} from "../migrate/index.ts";
import { strongLocks } from "../sql-tree/strong-locks.ts";
import { errorFinding, type Finding, type Outcome } from "./findings.ts";

/**
 * Each file can be run, as far as can be told without running it; new files get warnings too.
 *
 * @param news tags that may never have run; undefined where that is not known: all
 */
export async function checkSql(
  { migrations, repeatables = [] }: History,
  news: ReadonlySet<string> | undefined,
): Promise<Outcome> {
  const findings: Finding[] = [];
  for (const migration of migrations) {
    try {
      const statements = await parseMigration(migration, { leavesUnread: "new-keywords" });
      findings.push(...unreadOf(migration, statements));
      if (news?.has(migration.tag) ?? true) findings.push(...warningsOf(migration, statements));
    } catch (error) {
      if (!(error instanceof MigrateError)) throw error;
      findings.push({ ...errorFinding(error), fact: error.fact.trimEnd(), file: migration.file });
    }
  }
  try {
    await parseRepeatables(repeatables);
  } catch (error) {
    if (!(error instanceof MigrateError)) throw error;
    findings.push({ ...errorFinding(error), fact: error.fact.trimEnd() });
  }
  return { findings };
}

/** What only a server's grammar may read: the replay on the scratch server decides. */
function unreadOf(
  { file }: Migration,
  statements: Awaited<ReturnType<typeof parseMigration>>,
): readonly Finding[] {
  return statements.flatMap(({ unread }) =>
    unread === undefined
      ? []
      : {
          level: "warning" as const,
          file,
          fact: unread.refusal.fact.trimEnd(),
          remedy:
            "PostgreSQL 18's grammar does not read it; the scratch server's decides. For another version: --scratch-url.",
        },
  );
}

function warningsOf(
  { file, sql }: Migration,
  statements: Awaited<ReturnType<typeof parseMigration>>,
): readonly Finding[] {
  const locks = strongLocks(statements.map(({ tree }) => tree));
  return statements.flatMap(({ tree, offset }, index) => {
    const { line } = placeOf(sql, offset);
    const place = { level: "warning", file, line } as const;
    const ofLocks = (locks[index] ?? []).map(({ mode, table, hint }) => ({
      ...place,
      fact: `${file}:${line} takes a lock ${mode} on ${table}, which is not made in this file.`,
      remedy: hint,
    }));
    const isCommit = "TransactionStmt" in tree && tree.TransactionStmt.kind === "TRANS_STMT_COMMIT";
    if (!isCommit) return ofLocks;
    const commit = {
      ...place,
      fact: `${file}:${line} holds a COMMIT: if a later statement fails, everything before it stays.`,
      remedy:
        "Tidemark needs none: it runs what a transaction cannot hold outside of one. Remove it, unless the file was applied.",
    };
    return [commit, ...ofLocks];
  });
}
