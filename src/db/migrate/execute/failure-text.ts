import { offsetOfCodePoint, placeOf } from "../../base/place.ts";
import { plural, shortened } from "../../base/text.ts";
import type { ServerError } from "../../connection/session.ts";
import { recordedError } from "../errors.ts";
import type { RowValues } from "../run-types.ts";
import { maskText } from "../sql/secrets.ts";
import type { ParsedStep } from "../sql/segments.ts";
import { maskAround, snippet } from "../sql/snippet.ts";
import type { Placed } from "../sql/statements.ts";
import type { Migration, RecordedError } from "../types.ts";
import type { Message, Stage } from "./transaction.ts";

/** The fields of a server error that matter here; `position` counts code points of the message, from 1. */
export type ServerErrorFields = Pick<ServerError, "code" | "message"> &
  Partial<
    Pick<
      ServerError,
      | "routine"
      | "detail"
      | "hint"
      | "where"
      | "position"
      | "schema_name"
      | "table_name"
      | "constraint_name"
      | "column_name"
    >
  >;

/** What a run leaves behind when it fails. */
export interface Aftermath {
  /** Migrations before the one that failed. */
  readonly applied: number;
  /** Migrations after it. */
  readonly notRun: number;
  /** Statements of its file that are committed. */
  readonly committed: number;
  /** On the way down. */
  readonly isDown?: boolean;
  /** With what the next run goes on; a statement where it is not said. */
  readonly next?: string;
  /** What the failed statement, which no transaction held, has left: a sentence. */
  readonly left?: string | undefined;
}

/** The statement that failed and the place to point at, in the file. */
interface Culprit {
  /** From 0. */
  readonly index: number;
  readonly offset: number;
}

/**
 * The statement an error belongs to: the one its position lies in, else the one
 * after the last marker that came back. A syntax error that only the server's
 * version knows has a position and no marker, because nothing of the message ran.
 */
export function culpritOf(
  message: Message,
  stage: Stage,
  error: ServerErrorFields,
): Culprit | undefined {
  if (error.position !== undefined && /^\d+$/.test(error.position)) {
    const at = offsetOfCodePoint(message.text, Number(error.position) - 1);
    const number = message.starts.findLastIndex((start) => start <= at);
    const placed = message.statements[number];
    const within = at - (message.starts[number] ?? 0);
    if (placed !== undefined && within <= placed.statement.text.length) {
      return culpritAt(placed, within);
    }
  }
  if (stage.kind !== "statement") return undefined;
  const placed = message.statements[stage.index];
  return placed && culpritAt(placed, 0);
}

function culpritAt({ statement, index }: Placed, within: number): Culprit {
  return { index, offset: statement.offset + within };
}

/** A failure, as it is recorded and as it is printed. */
export interface FailureText {
  readonly recorded: RecordedError;
  /** Without the state that it leaves behind. */
  readonly failure: string;
}

/** A server error as the ledger keeps it and as it is printed: without secrets, and without row values. */
export function recordError(
  { migration, total }: ParsedStep,
  raw: ServerErrorFields,
  at: {
    readonly culprit: Culprit | undefined;
    readonly stage: Stage;
    readonly rowValues: RowValues;
  },
  aftermath: Aftermath,
  more: readonly string[] = [],
): FailureText {
  const { culprit, stage } = at;
  const { secrets } = maskAround(migration.sql, culprit?.offset ?? 0);
  const error = withoutSecrets(raw, secrets, at.rowValues);
  const place = culprit && placeOf(migration.sql, culprit.offset);
  const statement = culprit === undefined ? null : culprit.index + 1;
  const where = place === undefined ? "" : `:${place.line}:${place.column}`;
  const failure = [
    `${migration.file}${where}: ${error.message}`,
    ...(culprit === undefined ? [] : ["", snippet(migration.sql, culprit.offset), ""]),
    `${statement === null ? stageText(stage) : `statement ${statement} of ${total}`}, SQLSTATE ${error.code}`,
    ...(error.detail ? [`detail: ${error.detail}`] : []),
    ...(error.hint ? [`hint: ${error.hint}`] : []),
    ...(error.where ? [`context: ${error.where.replaceAll("\n", "\n         ")}`] : []),
    ...more,
  ].join("\n");
  const recorded = recordedError({
    sqlState: error.code,
    message: error.message,
    detail: error.detail ?? null,
    hint: error.hint ?? null,
    where: error.where ?? null,
    file: migration.file,
    line: place?.line ?? null,
    column: place?.column ?? null,
    statement,
    statements: total,
    text: `${failure}\n${stateText(migration.tag, aftermath)}`,
  });
  return { recorded, failure };
}

// Data exceptions, integrity constraints, a view's check option, what functions raise: DETAIL holds the
// key, the whole row, or a part of a value.
const WITH_ROW_VALUES = /^(?:22|23|44|P0)/;
// Of the context, what names code; the rest names data.
const CODE_CONTEXT = /^(?:PL\/\w+|SQL) (?:function|statement|expression|assignment)/;

/** A server error without secrets, and without the values of rows where those are left out. */
export function withoutSecrets(
  raw: ServerErrorFields,
  secrets: readonly string[],
  rowValues: RowValues,
): ServerErrorFields {
  const error = shortenedError(raw);
  const shown = (text: string | undefined) => text && maskText(text, secrets);
  const hasRowValues = WITH_ROW_VALUES.test(error.code) && rowValues === "left-out";
  const where = hasRowValues
    ? error.where
        ?.split("\n")
        .filter((line) => CODE_CONTEXT.test(line))
        .join("\n")
    : error.where;
  return {
    code: error.code,
    message: maskText(error.message, secrets),
    detail: hasRowValues && error.detail ? withoutRowValues(error) : shown(error.detail),
    hint: shown(error.hint),
    where: shown(where),
  };
}

/** Before it is looked at for secrets: each of its texts may have megabytes. */
function shortenedError(error: ServerErrorFields): ServerErrorFields {
  const { message, detail, hint, where } = error;
  return {
    ...error,
    message: shortened(message),
    ...(detail !== undefined && { detail: shortened(detail) }),
    ...(hint !== undefined && { hint: shortened(hint) }),
    ...(where !== undefined && { where: shortened(where) }),
  };
}

function withoutRowValues(error: ServerErrorFields): string {
  const { schema_name, table_name, constraint_name, column_name } = error;
  const table = table_name === undefined ? "" : ` of table ${schema_name}.${table_name}`;
  const column = column_name === undefined ? undefined : `column ${column_name}`;
  const what = constraint_name ?? column;
  const subject = what === undefined ? "" : `${what}${table}; `;
  return `${subject}values of rows are left out (--record-row-values shows and records them)`;
}

/** The record of a run that was told to stop. */
export function recordCanceled(
  { tag, file }: Pick<Migration, "tag" | "file">,
  aftermath: Aftermath,
  why: string,
  more: readonly string[],
): FailureText {
  const message = `${tag} ${why}`;
  const failure = [`${message}.`, ...more].join("\n");
  const text = `${failure}\n${stateText(tag, aftermath)}`;
  return { recorded: recordedError({ message, file, text }), failure };
}

/** The server's error as a `cause` that loggers may print: as it is recorded, without the SQL that was sent. */
export function causeOf({ sqlState, message, detail, hint, where }: RecordedError): Error {
  const error = new Error(message);
  error.name = "PostgresError";
  return Object.assign(error, { code: sqlState, detail, hint, where });
}

export function stageText({ kind }: Stage): string {
  if (kind === "fence") return "before its first statement";
  if (kind === "interrupted") return "settling a statement that an earlier run started";
  return kind === "constraints"
    ? "deferred constraints, checked after the last statement"
    : "after the last statement, while recording";
}

/** What is so after a failure. */
export function stateText(tag: string, aftermath: Aftermath): string {
  const { applied, notRun, committed, left, isDown } = aftermath;
  const goesOn =
    aftermath.next === undefined ? `at statement ${committed + 1}` : `with ${aftermath.next}`;
  const nothing = isDown
    ? `Nothing of ${tag} was taken back: it is applied as before.`
    : `${tag} was rolled back.`;
  const subject = isDown ? `the way down of ${tag}` : tag;
  const next = isDown ? "The next rollback" : "The next run";
  const own =
    committed === 0
      ? (left ?? nothing)
      : `${committedText(subject, committed)} ${left ?? "What came after was rolled back."} ${next} goes on ${goesOn}.`;
  const before =
    applied === 0
      ? ""
      : ` ${plural(applied, "migration")} before it ${isDown ? "reverted" : "applied"}.`;
  const after =
    notRun === 0
      ? ""
      : ` ${plural(notRun, "migration")} after it ${isDown ? "not reverted" : "not run"}.`;
  return `state: ${own}${before}${after}`;
}

function committedText(tag: string, committed: number): string {
  const which = committed === 1 ? "Statement 1" : `Statements 1 to ${committed}`;
  return `${which} of ${tag} ${committed === 1 ? "is" : "are"} committed.`;
}
