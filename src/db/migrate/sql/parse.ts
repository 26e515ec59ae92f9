import { withoutBom } from "../../base/files.ts";
import { type LoadedCode, loadCode } from "../code/load-code.ts";
import { checksumOf } from "../history/checksum.ts";
import type { Step } from "../plan/plan.ts";
import type { CodeFile, Migration, Tag } from "../types.ts";
import { refuseAcrossBorders, refuseInsideBlock, refusePartitionedParents } from "./borders.ts";
import { loadParser } from "./grammar.ts";
import { refuseChangedPrefix, refuseDamaged, refuseUnsupported } from "./refuse.ts";
import {
  asksForNoParse,
  asksForNoTransaction,
  type ParsedStep,
  remainingOf,
  type SqlSegment,
  segmentsOf,
  withCode,
} from "./segments.ts";
import { readStatements, type Statement } from "./statements.ts";
import { refuseControl } from "./unread.ts";

export interface ParserOptions {
  /**
   * What the grammar does not read is left for a server to judge: all of it, or what has a word that became a keyword
   * lately. Default: it is refused.
   */
  readonly leavesUnread?: "none" | "new-keywords" | "all";
}

/**
 * Parses and validates what is pending, before anything runs. A parser remembers the files it has
 * read: where the ledger changed before the lease was taken, there is another plan.
 *
 * @throws MigrateError `history_invalid`, `unsupported_statement`, `checksum_mismatch`
 */
export function stepParser({
  leavesUnread = "none",
}: ParserOptions = {}): <S extends Step>(
  steps: readonly S[],
) => Promise<readonly (S & ParsedStep)[]> {
  // What fails here fails again, and is reported, when it is awaited.
  loadParser().catch(() => undefined);
  const parsed = new Map<string, readonly Statement[]>();
  const loaded = new Map<CodeFile, LoadedCode | undefined>();
  return async <S extends Step>(steps: readonly S[]) => {
    const list: (S & ParsedStep & { readonly segments: readonly SqlSegment[] })[] = [];
    for (const { migration } of steps) refuseDamaged(migration);
    for (const step of steps) {
      const { migration, resumeAt } = step;
      const statements =
        parsed.get(migration.sql) ??
        (asksForNoParse(migration.sql)
          ? await unparsed(migration)
          : await readStatements(migration.sql, migration.file));
      refuseUnread(statements, leavesUnread);
      parsed.set(migration.sql, statements);
      refuseUnsupported(migration, statements);
      refuseChangedPrefix(step, statements);
      refuseInsideBlock(migration, statements);
      const whole = segmentsOf(statements, asksForNoTransaction(migration.sql));
      refuseAcrossBorders(migration, whole);
      const segments = remainingOf(whole, statements, resumeAt);
      const total = statements.length + (migration.code === undefined ? 0 : 1);
      list.push({ ...step, statements, total, segments });
    }
    refusePartitionedParents(list);
    // Last: loading code runs what stands at its top.
    const whole: (S & ParsedStep)[] = [];
    for (const step of list) {
      const { migration, statements, segments } = step;
      const { code } = migration;
      const found = code && (loaded.get(code) ?? (await loadCode(migration)));
      if (code !== undefined) loaded.set(code, found);
      whole.push({ ...step, segments: withCode(segments, statements, found) });
    }
    return whole;
  };
}

function refuseUnread(
  statements: readonly Statement[],
  leaves: NonNullable<ParserOptions["leavesUnread"]>,
): void {
  for (const { unread } of statements) {
    if (unread === undefined || leaves === "all") continue;
    if (leaves === "none" || !unread.hasNewKeyword) throw unread.refusal;
  }
}

/** A file that asks to be run as it is: one statement, in one transaction. */
async function unparsed({ file, sql }: Migration): Promise<readonly Statement[]> {
  refuseControl(await loadParser(), { file, sql });
  return [{ text: sql, offset: 0, tree: {} as Statement["tree"] }];
}

/**
 * Parses a migration's text by itself, and refuses what a run would refuse before it starts.
 *
 * @param migration its `file` is how messages name it
 * @param options whether what the grammar does not read is left for a server to judge
 * @throws MigrateError `history_invalid`, `unsupported_statement`
 */
export async function parseMigration(
  migration: { readonly tag: Tag; readonly file: string; readonly sql: string },
  options: ParserOptions = {},
): Promise<readonly Statement[]> {
  const checksum = checksumOf(migration.sql);
  const sql = withoutBom(migration.sql);
  const only = { ...migration, sql, index: 0, checksum, link: checksum };
  const unstarted = { attempt: 1, resumeAt: 0, prefix: null, underWay: null };
  const [parsed] = await stepParser(options)([
    { migration: only, ...unstarted, rank: 1, headAfter: checksum },
  ]);
  return parsed?.statements ?? [];
}
