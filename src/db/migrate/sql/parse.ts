import { withoutBom } from "../../base/files.ts";
import { checksumOf } from "../history/checksum.ts";
import type { Tag } from "../types.ts";
import { stepParser } from "./parse-steps.ts";
import type { Statement } from "./statements.ts";

/**
 * Parses a migration's text by itself, and refuses what a run would refuse before it starts.
 *
 * @throws MigrateError `history_invalid`, `unsupported_statement`
 */
export async function parseMigration(migration: {
  readonly tag: Tag;
  /** As messages name it. */
  readonly file: string;
  readonly sql: string;
}): Promise<readonly Statement[]> {
  const checksum = checksumOf(migration.sql);
  const sql = withoutBom(migration.sql);
  const alone = { ...migration, sql, index: 0, checksum, link: checksum };
  const unstarted = { attempt: 1, resumeAt: 0, prefix: null, underWay: null };
  const step = { migration: alone, ...unstarted, rank: 1, headAfter: checksum };
  const [parsed] = await stepParser()([step]);
  return parsed?.statements ?? [];
}
