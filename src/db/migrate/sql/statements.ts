import type { ParseResult } from "libpg-query";
import { offsetOfCodePoint } from "../../base/place.ts";
import { messageOf } from "../../base/problem.ts";
import { MigrateError } from "../errors.ts";
import { isBlank, loadParser, type Parser } from "./grammar.ts";
import { type CutStatement, LARGE, NOTHING, readInPieces, statementsOf } from "./in-pieces.ts";
import { errorAt } from "./snippet.ts";
import { cutByWords, grammarHint, newKeywordIn } from "./unread.ts";

/** A statement of a file. */
export interface Statement extends CutStatement {
  /** Why the grammar does not read it: the server's may. */
  readonly unread?: Unread;
}

/** A statement that the grammar does not read. */
export interface Unread {
  readonly refusal: MigrateError;
  /** It has a word that became a keyword lately: an older server reads it. */
  readonly hasNewKeyword: boolean;
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
  const statements = await readStatements(sql, file);
  for (const { unread } of statements) if (unread !== undefined) throw unread.refusal;
  return statements;
}

/**
 * The same where a statement that the grammar does not read is an answer too: a server of another version may know it.
 *
 * @throws MigrateError `history_invalid` where not even its words can be read, or it holds a NUL byte
 */
export async function readStatements(sql: string, file: string): Promise<readonly Statement[]> {
  const nul = sql.indexOf("\0");
  if (nul >= 0) {
    // The parser takes C strings: it would silently drop what follows.
    throw syntaxError(sql, nul, file, "a NUL byte, which PostgreSQL cannot read");
  }
  if (isBlank(sql)) return [];
  const parser = await loadParser();
  const inPieces = sql.length > LARGE ? readInPieces(parser, sql) : undefined;
  if (inPieces !== undefined) return inPieces;
  const tree = parseFile(parser, sql, file);
  if (tree instanceof MigrateError) return readPieces(parser, sql, file, tree);
  return statementsOf(sql, tree.stmts ?? []);
}

/** Statement by statement: of those that the grammar does not read, why. */
function readPieces(
  parser: Parser,
  sql: string,
  file: string,
  whole: MigrateError,
): readonly Statement[] {
  const pieces = cutByWords(parser, sql);
  if (pieces === undefined) throw whole;
  const statements = pieces.flatMap(({ text, offset }): readonly Statement[] => {
    const tree = parseFile(parser, text, file, { sql, offset });
    if (tree instanceof MigrateError) {
      const unread = { refusal: tree, hasNewKeyword: newKeywordIn(text) !== undefined };
      return [{ text, offset, tree: NOTHING, unread }];
    }
    return (tree.stmts ?? []).map(({ stmt }) => ({ text, offset, tree: stmt ?? NOTHING }));
  });
  // Cut otherwise it reads: the cut is not to be trusted.
  if (!statements.some(({ unread }) => unread !== undefined)) throw whole;
  return statements;
}

function parseFile(
  parser: Parser,
  sql: string,
  file: string,
  /** What it is a part of: places are shown there. */
  whole = { sql, offset: 0 },
): ParseResult | MigrateError {
  try {
    return parser.parse(sql);
  } catch (error) {
    const at = parser.syntaxErrorAt(error);
    if (at !== undefined) {
      return syntaxError(
        whole.sql,
        whole.offset + offsetOfCodePoint(sql, at),
        file,
        messageOf(error),
        error,
      );
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
  const remedy = `Correct the file and run again.${hints[sql[offset] ?? ""] ?? ""}${grammarHint(sql, offset)}${copyHint(sql, offset)}`;
  return errorAt({ file, sql }, offset, { code: "history_invalid", what, remedy, cause });
}

/** What a dump has after COPY are rows, which psql sends. */
function copyHint(sql: string, offset: number): string {
  const before = sql.slice(Math.max(0, offset - COPY_WINDOW), offset);
  const isData = /^[ \t]*copy\s[^;]*\sfrom\s+stdin\b[^;]*;(?![\s\S]*^\\\.)/im.test(before);
  return isData
    ? " The lines after COPY … FROM stdin are rows and no SQL: write them as INSERT statements, as pg_dump --inserts does."
    : "";
}

const COPY_WINDOW = 65_536;
