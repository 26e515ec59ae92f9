import type { Node } from "libpg-query";
import { byteReader, type Parser } from "./grammar.ts";

/** A statement of a file, cut by PostgreSQL's own grammar. */
export interface CutStatement {
  /** As written, without the semicolon; comments within it stay. */
  readonly text: string;
  /** Where `text` starts in the file, in UTF-16 units. */
  readonly offset: number;
  /** The parsed tree; empty where the grammar does not read it. */
  readonly tree: Node;
}

/** From here on a file is read in pieces, in UTF-16 units: the tree of 44 MB of INSERTs took a gigabyte. */
export const LARGE = 1_000_000;
const PIECE = 250_000;

/**
 * Cuts a large file into its statements, piece by piece: each ends with a semicolon at the end of a line, and is parsed
 * by itself. What parses up to there is read the same way within the whole, as the grammar never goes back; where that
 * semicolon is within a string, a comment or a body, the piece does not parse, and a longer one is tried.
 *
 * @returns undefined where the rest does not parse: the whole says why
 */
export function readInPieces(parser: Parser, sql: string): readonly CutStatement[] | undefined {
  const statements: CutStatement[] = [];
  const shared = sharedTrees();
  for (let from = 0; from < sql.length; ) {
    let end = endOfPiece(sql, from + PIECE);
    let found = readPiece(parser, sql, from, end);
    for (let size = PIECE * 2; found === undefined; size *= 2) {
      if (end === sql.length) return undefined;
      end = endOfPiece(sql, from + size);
      found = readPiece(parser, sql, from, end);
    }
    for (const one of found) statements.push({ ...one, tree: shared(one.tree) });
    from = end;
  }
  return statements;
}

const END_OF_LINE = /;[ \t]*\r?\n/g;

/** Behind the first line from there on that ends with a semicolon. */
function endOfPiece(sql: string, at: number): number {
  END_OF_LINE.lastIndex = at;
  return END_OF_LINE.exec(sql) === null ? sql.length : END_OF_LINE.lastIndex;
}

function readPiece(
  parser: Parser,
  sql: string,
  from: number,
  end: number,
): readonly CutStatement[] | undefined {
  const piece = sql.slice(from, end);
  try {
    return statementsOf(piece, parser.parse(piece).stmts ?? [], from);
  } catch {
    return undefined;
  }
}

/** The statements of a text that was parsed. */
export function statementsOf(
  sql: string,
  stmts: readonly {
    readonly stmt?: Node;
    readonly stmt_location?: number;
    readonly stmt_len?: number;
  }[],
  offset = 0,
): readonly CutStatement[] {
  const at = byteReader(sql);
  return stmts.map(({ stmt, stmt_location = 0, stmt_len }) => {
    const start = at(stmt_location);
    const text = sql.slice(start, stmt_len ? at(stmt_location + stmt_len) : undefined);
    const leading = text.search(/[^ \t\n\r\f\v]|$/);
    return { text: text.slice(leading), offset: offset + start + leading, tree: stmt ?? NOTHING };
  });
}

export const NOTHING = {} as Node;

/** INSERTs of constants into the same columns share a tree, without the constants: they decide nothing. */
function sharedTrees(): (tree: Node) => Node {
  const known = new Map<string, Node>();
  return (tree) => {
    if (!("InsertStmt" in tree)) return tree;
    const { selectStmt, ...rest } = tree.InsertStmt;
    if (selectStmt === undefined || !("SelectStmt" in selectStmt)) return tree;
    const { valuesLists, ...select } = selectStmt.SelectStmt;
    if (valuesLists === undefined || !valuesLists.every(isConstant)) return tree;
    const slim: Node = {
      InsertStmt: { ...rest, selectStmt: { SelectStmt: { ...select, valuesLists: [] } } },
    };
    const key = JSON.stringify(slim, (name, value) => (name === "location" ? undefined : value));
    const same = known.get(key) ?? slim;
    known.set(key, same);
    return same;
  };
}

function isConstant(node: Node): boolean {
  return "A_Const" in node || ("List" in node && (node.List.items ?? []).every(isConstant));
}
