import { withoutBom } from "../../base/files.ts";
import { checksumOf } from "../history/checksum.ts";
import type { Step } from "../plan/plan.ts";
import type { Tag } from "../types.ts";
import { refuseAcrossBorders, refuseInsideBlock, refusePartitionedParents } from "./borders.ts";
import { loadParser } from "./grammar.ts";
import { refuseChangedPrefix, refuseDamaged, refuseUnsupported } from "./refuse.ts";
import { asksForNoTransaction, type ParsedStep, remainingOf, segmentsOf } from "./segments.ts";
import { parseStatements, type Statement } from "./statements.ts";

/**
 * Parses and validates what is pending, before anything runs. A parser remembers the files it has
 * read: where the ledger changed before the lease was taken, there is another plan.
 *
 * @throws MigrateError `history_invalid`, `unsupported_statement`, `checksum_mismatch`
 */
export function stepParser(): <S extends Step>(
  steps: readonly S[],
) => Promise<readonly (S & ParsedStep)[]> {
  // What fails here fails again, and is reported, when it is awaited.
  loadParser().catch(() => undefined);
  const parsed = new Map<string, readonly Statement[]>();
  return async <S extends Step>(steps: readonly S[]) => {
    const list: (S & ParsedStep)[] = [];
    for (const { migration } of steps) refuseDamaged(migration);
    for (const step of steps) {
      const { migration, resumeAt } = step;
      const statements =
        parsed.get(migration.sql) ?? (await parseStatements(migration.sql, migration.file));
      parsed.set(migration.sql, statements);
      refuseUnsupported(migration, statements);
      refuseChangedPrefix(step, statements);
      refuseInsideBlock(migration, statements);
      const whole = segmentsOf(statements, asksForNoTransaction(migration.sql));
      refuseAcrossBorders(migration, whole);
      list.push({ ...step, statements, segments: remainingOf(whole, statements, resumeAt) });
    }
    refusePartitionedParents(list);
    return list;
  };
}

/**
 * Parses a migration's text by itself, and refuses what a run would refuse before it starts.
 *
 * @param migration its `file` is how messages name it
 * @throws MigrateError `history_invalid`, `unsupported_statement`
 */
export async function parseMigration(migration: {
  readonly tag: Tag;
  readonly file: string;
  readonly sql: string;
}): Promise<readonly Statement[]> {
  const checksum = checksumOf(migration.sql);
  const sql = withoutBom(migration.sql);
  const only = { ...migration, sql, index: 0, checksum, link: checksum };
  const unstarted = { attempt: 1, resumeAt: 0, prefix: null, underWay: null };
  const [parsed] = await stepParser()([
    { migration: only, ...unstarted, rank: 1, headAfter: checksum },
  ]);
  return parsed?.statements ?? [];
}
