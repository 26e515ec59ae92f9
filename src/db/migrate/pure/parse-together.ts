import type { Node } from "libpg-query";
import { loadParser } from "./grammar.ts";
import { byteCutter, type Statement, statementAt } from "./statements.ts";

// A statement between the files: where it does not come back at its place, something of
// one file (a comment or a literal left open) has swallowed the start of the next.
const BORDER = "select 'tidemark: end of file'";
const BEFORE_BORDER = "\n;\n";
const AFTER_BORDER = "\n;\n";

// One tree for all of it is held in memory at once: a few megabytes for each of these.
const MOST_CHARACTERS = 1_000_000;

/**
 * Cuts many files by one call of the grammar, which is twice as fast as a call for each.
 * Undefined where that cannot be done, or shows anything odd: then they are to be
 * parsed one by one, which also names what is wrong.
 */
export async function parseTogether(
  files: readonly string[],
): Promise<readonly (readonly Statement[])[] | undefined> {
  if (files.length === 0) return [];
  const characters = files.reduce((sum, sql) => sum + sql.length, 0);
  if (characters > MOST_CHARACTERS || files.some((sql) => sql.includes("\0"))) return undefined;
  const parser = await loadParser();
  let nodes: readonly { stmt?: Node; stmt_location?: number; stmt_len?: number }[];
  try {
    const text = files.map((sql) => sql + BEFORE_BORDER + BORDER + AFTER_BORDER).join("");
    nodes = parser.parse(text).stmts ?? [];
  } catch {
    // Which file it is, and where, is told by parsing it alone.
    return undefined;
  }
  const result: Statement[][] = [];
  let next = 0;
  let start = 0;
  for (const sql of files) {
    const end = start + Buffer.byteLength(sql);
    const cut = byteCutter(sql);
    const statements: Statement[] = [];
    for (; (nodes[next]?.stmt_location ?? 0) < end && nodes[next] !== undefined; next += 1) {
      const { stmt, stmt_location = 0, stmt_len = 0 } = nodes[next] ?? {};
      // The line end before the border belongs to a statement without a semicolon.
      if (stmt_location + stmt_len > end + 1) return undefined;
      const from = stmt_location - start;
      const to = Math.min(stmt_location + stmt_len, end) - start;
      statements.push(statementAt(cut(from, to), stmt));
    }
    const border = end + BEFORE_BORDER.length;
    if (nodes[next]?.stmt_location !== border) return undefined;
    next += 1;
    result.push(statements);
    start = border + BORDER.length + AFTER_BORDER.length;
  }
  return next === nodes.length ? result : undefined;
}
