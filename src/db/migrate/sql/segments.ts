import type { Node } from "libpg-query";
import type { LoadedCode } from "../code/load-code.ts";
import type { Step } from "../plan/plan.ts";
import { isSetting, type Settings, SettingsTracker } from "./made-settings.ts";
import { type Outside, outsideOf, unjudgeable } from "./non-transactional.ts";
import type { Placed, Statement } from "./statements.ts";

interface Range {
  /** Statements of the file before it, which must be done. */
  readonly from: number;
  /** Statements of the file that are done with it. */
  readonly to: number;
  /** Made by the file before it. */
  readonly settings: Settings;
}

/** Statements that share one transaction. */
export interface TransactionSegment extends Range {
  readonly kind: "transaction";
  readonly statements: readonly Placed[];
}

/** A statement that no transaction can hold. */
export interface OutsideSegment extends Range {
  readonly kind: "outside";
  readonly placed: Placed;
  readonly outside: Outside;
}

/** The code of a migration: in a transaction of its own, as the last of its statements. */
export interface CodeSegment extends Range {
  readonly kind: "code";
  readonly code: LoadedCode;
}

/** What SQL is cut into. */
export type SqlSegment = TransactionSegment | OutsideSegment;
export type Segment = SqlSegment | CodeSegment;

const NO_TRANSACTION = /^--[ \t]*tidemark:[ \t]*no-transaction[ \t]*\r?$/;
const NO_PARSE = /^--[ \t]*tidemark:[ \t]*no-parse[ \t]*\r?$/;
const COMMENT = /--[^\n]*|\/\*[\s\S]*?\*\//;
const HEAD = new RegExp(`^(?:\\s+|${COMMENT.source})*`);

/** Whether the comments that open a file ask for each statement by itself. */
export function asksForNoTransaction(sql: string): boolean {
  return hasDirective(sql, NO_TRANSACTION);
}

/** Whether the comments that open a file ask for it to be run as it is, unread. */
export function asksForNoParse(sql: string): boolean {
  return hasDirective(sql, NO_PARSE);
}

function hasDirective(sql: string, directive: RegExp): boolean {
  const head = HEAD.exec(sql)?.[0] ?? "";
  const comments = head.match(new RegExp(COMMENT, "g")) ?? [];
  return comments.some((comment) => directive.test(comment));
}

/** A border that the file draws itself; a `BEGIN` belongs to what follows it. */
export function borderOf(tree: Node): "begin" | "commit" | undefined {
  if (!("TransactionStmt" in tree)) return undefined;
  switch (tree.TransactionStmt.kind) {
    case "TRANS_STMT_BEGIN":
    case "TRANS_STMT_START":
      return "begin";
    case "TRANS_STMT_COMMIT":
      return "commit";
    default:
      return undefined;
  }
}

/** `COMMIT AND CHAIN`, which opens the next transaction. */
export function chains(tree: Node): boolean {
  return "TransactionStmt" in tree && tree.TransactionStmt.chain === true;
}

/** `ALTER TYPE … ADD VALUE`: the value cannot be used before its transaction is committed. */
function addsEnumValue(tree: Node): boolean {
  return "AlterEnumStmt" in tree && tree.AlterEnumStmt.oldVal === undefined;
}

/**
 * Cuts a file into what may share a transaction: the longest runs of statements between
 * those that no transaction can hold, the file's own `BEGIN` and `COMMIT`, and enum values
 * that were added, whose use may hide in a function's body. Of a file without statements, one
 * empty segment.
 *
 * @param noTransaction the file asks for each statement by itself
 */
export function segmentsOf(
  statements: readonly Statement[],
  noTransaction: boolean,
): readonly SqlSegment[] {
  const settingsAt = settingsReader(statements);
  const cutter = new Cutter(settingsAt);
  let oneByOne = noTransaction;
  for (const [index, statement] of statements.entries()) {
    const border = borderOf(statement.tree);
    const outside =
      outsideOf(statement.tree) ?? (oneByOne ? unjudgeableUnlessSetting(statement) : undefined);
    const next = statements[index + 1];
    if (border !== undefined) {
      // What stands between BEGIN and COMMIT is meant to be one, whatever the file asks for.
      oneByOne = noTransaction && border === "commit" && !chains(statement.tree);
      cutter.close(border === "begin" ? index : index + 1);
    } else if (outside !== undefined) {
      cutter.outside({ statement, index }, outside);
    } else {
      cutter.add({ statement, index });
      const last = next === undefined || addsEnumValue(next.tree);
      if (addsEnumValue(statement.tree) && !last) cutter.close(index + 1);
    }
  }
  const segments = cutter.end(statements.length);
  return segments.length > 0 ? segments : [{ ...empty(statements.length, settingsAt), from: 0 }];
}

/** The segments that are left once the first `done` statements are; of a file that is all done, one empty segment. */
export function remainingOf(
  segments: readonly SqlSegment[],
  statements: readonly Statement[],
  done: number,
): readonly SqlSegment[] {
  if (done === 0) return segments;
  const settingsAt = settingsReader(statements);
  const left = segments
    .filter(({ to }) => to > done)
    .map((segment) => after(segment, done, settingsAt));
  return left.length > 0 ? left : [{ ...empty(statements.length, settingsAt), from: done }];
}

/** The segments of a migration with code: what is left of its SQL, where anything is, and the code. */
export function withCode(
  segments: readonly SqlSegment[],
  statements: readonly Statement[],
  code: LoadedCode | undefined,
): readonly Segment[] {
  if (code === undefined) return segments;
  const { length } = statements;
  const settings = new SettingsTracker().now;
  const sql = segments.filter((one) => one.kind === "outside" || one.statements.length > 0);
  return [...sql, { kind: "code", code, from: length, to: length + 1, settings }];
}

function unjudgeableUnlessSetting({ tree, text }: Statement): Outside | undefined {
  return isSetting(tree, text) ? undefined : unjudgeable(text);
}

class Cutter {
  #segments: SqlSegment[] = [];
  #open: Placed[] = [];
  #from = 0;
  #settingsAt: (index: number) => Settings;

  constructor(settingsAt: (index: number) => Settings) {
    this.#settingsAt = settingsAt;
  }

  add(placed: Placed): void {
    this.#open.push(placed);
  }

  outside(placed: Placed, outside: Outside): void {
    this.close(placed.index);
    const to = placed.index + 1;
    const settings = this.#settingsAt(placed.index);
    this.#segments.push({ kind: "outside", placed, outside, from: this.#from, to, settings });
    this.#from = to;
  }

  /** Ends the open segment; a border without statements goes to the segment before it. */
  close(to: number): void {
    const statements = this.#open;
    const [first] = statements;
    const last = this.#segments.at(-1);
    if (first !== undefined) {
      const settings = this.#settingsAt(first.index);
      this.#segments.push({ kind: "transaction", statements, from: this.#from, to, settings });
      this.#open = [];
      this.#from = to;
    } else if (last !== undefined) {
      this.#segments[this.#segments.length - 1] = { ...last, to };
      this.#from = to;
    }
  }

  end(length: number): readonly SqlSegment[] {
    this.close(length);
    return this.#segments;
  }
}

/** What is left of a segment that begins before the statements that are not done. */
function after(
  segment: SqlSegment,
  done: number,
  settingsAt: (index: number) => Settings,
): SqlSegment {
  if (segment.from >= done) return segment;
  if (segment.kind === "outside") {
    // A border that was added after it since must not run it again.
    return segment.placed.index >= done
      ? { ...segment, from: done }
      : { ...empty(segment.to, settingsAt), from: done };
  }
  const statements = segment.statements.filter(({ index }) => index >= done);
  return { ...segment, from: done, statements, settings: settingsAt(done) };
}

function empty(total: number, settingsAt: (index: number) => Settings): SqlSegment {
  const settings = settingsAt(total);
  return { kind: "transaction", from: total, to: total, statements: [], settings };
}

/** Reads the settings that the file has made before a statement. */
function settingsReader(statements: readonly Statement[]): (index: number) => Settings {
  const isNone = !statements.some(({ tree, text }) => isSetting(tree, text));
  let tracker = new SettingsTracker();
  let followed = 0;
  return (index) => {
    if (isNone) return tracker.now;
    // They come in order, but for the one where the rest of a file begins.
    if (index < followed) {
      tracker = new SettingsTracker();
      followed = 0;
    }
    for (const statement of statements.slice(followed, index)) {
      if (borderOf(statement.tree) !== undefined) tracker.endTransaction();
      else tracker.follow(statement);
    }
    followed = index;
    return tracker.now;
  };
}

/** A migration that is to run, parsed. */
export interface ParsedStep extends Step {
  /** What is checked just before a statement of a transaction: SQL, by the statement's place in the file, from 0. */
  readonly guards?: ReadonlyMap<number, readonly string[]>;
  /** All of its file. */
  readonly statements: readonly Statement[];
  /** How many there are to count: those of its file, and its code as one. */
  readonly total: number;
  /** What is left of it; at least one. */
  readonly segments: readonly Segment[];
}
