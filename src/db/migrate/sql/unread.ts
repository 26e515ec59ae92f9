import { MigrateError } from "../errors.ts";
import { byteReader, isBlank, type Parser } from "./grammar.ts";

/** A file's statement as text, cut where the grammar does not read all of the file. */
export interface Piece {
  readonly text: string;
  /** UTF-16 offset in the file. */
  readonly offset: number;
}

const SEMICOLON = ";";

/**
 * Cuts a file by its words alone, which are the same in all versions: at each semicolon that is outside of
 * parentheses and of a body `begin atomic … end`.
 *
 * @returns undefined where not even the words can be read
 */
export function cutByWords(parser: Parser, sql: string): readonly Piece[] | undefined {
  let tokens: ReturnType<Parser["scan"]>;
  try {
    tokens = parser.scan(sql);
  } catch {
    return undefined;
  }
  const at = byteReader(sql);
  const pieces: Piece[] = [];
  let begin: number | undefined;
  let depth = 0;
  let atomic = 0;
  let first = "";
  let before = "";
  for (const { text, start, end } of tokens) {
    if (text.startsWith("--") || text.startsWith("/*")) continue;
    const word = text.toLowerCase();
    const from = at(start);
    if (word === SEMICOLON && depth === 0 && atomic === 0) {
      if (begin !== undefined) pieces.push({ text: sql.slice(begin, from), offset: begin });
      begin = undefined;
      before = "";
      continue;
    }
    if (begin === undefined) first = word;
    begin ??= from;
    if (word === "(") depth += 1;
    if (word === ")") depth -= 1;
    // Elsewhere they are names.
    const isBody = word === "atomic" && before === "begin" && depth === 0 && first === "create";
    if (isBody) atomic += 1;
    else if (atomic > 0 && word === "case") atomic += 1;
    else if (atomic > 0 && word === "end") atomic -= 1;
    before = word;
    at(end);
  }
  // Comments behind the last statement are its own, as the grammar has it.
  let end = sql.length;
  while (begin !== undefined && end > begin && isBlank(sql.charAt(end - 1))) end -= 1;
  if (begin !== undefined) pieces.push({ text: sql.slice(begin, end), offset: begin });
  return pieces;
}

/** Words that became keywords after PostgreSQL 14, and since when: an older server takes them as names. */
const NEW_KEYWORDS: Readonly<Record<string, number>> = {
  system_user: 16,
  json_array: 16,
  json_arrayagg: 16,
  json_object: 16,
  json_objectagg: 16,
  json: 16,
  json_scalar: 17,
  json_serialize: 17,
  json_exists: 17,
  json_query: 17,
  json_value: 17,
  json_table: 17,
  merge_action: 17,
  virtual: 18,
};

/** The first word of a text that became a keyword lately. */
export function newKeywordIn(text: string): string | undefined {
  return text
    .toLowerCase()
    .match(/[a-z_]+/g)
    ?.find((word) => Object.hasOwn(NEW_KEYWORDS, word));
}

/** What to say of a line that the grammar does not read, where a word in it became a keyword lately. */
export function grammarHint(sql: string, offset: number): string {
  const end = sql.indexOf("\n", offset);
  const line = sql.slice(sql.lastIndexOf("\n", offset - 1) + 1, end < 0 ? undefined : end);
  const found = newKeywordIn(line);
  if (found === undefined) return "";
  return (
    ` Tidemark reads files with PostgreSQL 18's grammar, in which ${found.toUpperCase()} is a keyword since ${NEW_KEYWORDS[found]}: ` +
    `quote the name ("${found}"), or let \`tidemark migrate\` ask the server's grammar.`
  );
}

const TRANSACTION_CONTROL = new Set([
  "begin",
  "start",
  "commit",
  "end",
  "rollback",
  "abort",
  "savepoint",
  "release",
  "prepare",
]);

/**
 * Refuses what ends or begins a transaction in a file that is run unread, as one statement.
 *
 * @throws MigrateError `unsupported_statement`
 */
export function refuseControl(
  parser: Parser,
  { file, sql }: { readonly file: string; readonly sql: string },
): void {
  for (const { text } of cutByWords(parser, sql) ?? []) {
    const word = /^[a-z]+/i.exec(text)?.[0].toLowerCase() ?? "";
    if (!TRANSACTION_CONTROL.has(word)) continue;
    throw new MigrateError({
      code: "unsupported_statement",
      fact: `${file} is run unread, in one transaction (-- tidemark: no-parse), and holds ${word.toUpperCase()}.`,
      outcome: "nothing-run",
      remedy: "Take it out: the file begins and ends its transaction by itself.",
      place: { file },
    });
  }
}
