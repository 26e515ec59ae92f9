import type { Node, ParseResult } from "libpg-query";
import { offsetOfCodePoint } from "../../base/place.ts";
import { messageOf } from "../../base/problem.ts";
import { byteReader, loadParser, type Parser } from "./grammar.ts";
import { errorAt } from "./snippet.ts";

/** A statement of a file, cut by PostgreSQL's own grammar. */
export interface Statement {
  /** As written, without the semicolon; comments within it stay. */
  readonly text: string;
  /** Where `text` starts in the file, in UTF-16 units. */
  readonly offset: number;
  /** The parsed tree. */
  readonly tree: Node;
}

/** A statement with its place in the file, from 0. */
export interface Placed {
  readonly statement: Statement;
  readonly index: number;
}

/**
 * Cuts a file into its statements. drizzle-kit's `--> statement-breakpoint` is a
 * comment here: it decides nothing.
 *
 * @throws MigrateError `history_invalid` where the text does not parse or holds a NUL byte.
 */
export async function parseStatements(sql: string, file: string): Promise<readonly Statement[]> {
  const nul = sql.indexOf("\0");
  if (nul >= 0) {
    // The parser takes C strings: it would silently drop what follows.
    throw syntaxError(sql, nul, file, "a NUL byte, which PostgreSQL cannot read");
  }
  if (sql.trim() === "") return [];
  const parser = await loadParser();
  const tree = parseFile(parser, sql, file);
  const at = byteReader(sql);
  return (tree.stmts ?? []).map(({ stmt, stmt_location, stmt_len }) => {
    const start = at(stmt_location ?? 0);
    const end = stmt_len ? at((stmt_location ?? 0) + stmt_len) : undefined;
    const text = sql.slice(start, end);
    const leading = text.length - text.trimStart().length;
    return { text: text.slice(leading), offset: start + leading, tree: stmt ?? ({} as Node) };
  });
}

function parseFile(parser: Parser, sql: string, file: string): ParseResult {
  try {
    return parser.parse(sql);
  } catch (error) {
    const at = parser.syntaxErrorAt(error);
    if (at !== undefined) {
      throw syntaxError(sql, offsetOfCodePoint(sql, at), file, messageOf(error), error);
    }
    // The binding fails on a text that is only comments. A statement after it shows
    // whether that is all there is; where it is not, the error is a real one.
    const probe = parser.parse(`${sql}\n;select 1`);
    if (probe.stmts?.length === 1) return { version: probe.version ?? 0, stmts: [] };
    throw error;
  }
}

function syntaxError(sql: string, offset: number, file: string, what: string, cause?: unknown) {
  const hints: Readonly<Record<string, string>> = {
    "\\": " Lines that start with a backslash are psql's own.",
    "\0": " A NUL after each character is UTF-16, which some editors and shells write: save it as UTF-8.",
  };
  const remedy = `Correct the file and run again.${hints[sql[offset] ?? ""] ?? ""}`;
  return errorAt({ file, sql }, offset, { code: "history_invalid", what, remedy, cause });
}
