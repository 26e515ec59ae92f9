import { snippetOf } from "../../../base/place.ts";
import { messageOf } from "../../../base/problem.ts";
import { QUERY_CANCELED } from "../../../base/sqlstate.ts";
import { isServerError, type ServerError } from "../../../connection/session.ts";
import { placeInStack } from "../../code/stack.ts";
import type { CodePart } from "../execution.ts";
import type { ServerErrorFields } from "../failure-text.ts";
import type { Message, Stage } from "../transaction.ts";
import { StepMisuse } from "./misuse.ts";

/** What went wrong with code, for people. */
export interface CodeTrouble {
  readonly what: "code step" | "backfill";
  /** Where in its file, as far as its stack tells. */
  readonly place: { readonly line: number; readonly column: number } | undefined;
  readonly snippet: string | undefined;
  readonly message: string;
  /** What caused it, one line each. */
  readonly causes: readonly string[];
  readonly stage: "ran" | "constraints" | "record";
  readonly remedy: string | undefined;
  readonly cause: unknown;
}

/** Code that failed, as a part of a run. */
export interface CodeFailure {
  readonly message: Message;
  readonly stage: Stage;
  readonly error: ServerErrorFields;
  readonly trouble?: CodeTrouble;
}

const IN_FAILED_TRANSACTION = "25P02";
const NOTHING_SENT: Message = { text: "", statements: [], starts: [] };

/** An error of our own messages around a step: its transaction could not begin, or was not taken. */
export class AroundStep extends Error {
  override readonly cause: ServerError;
  readonly at: "begin" | "transaction" | "constraints" | "record";

  constructor(at: AroundStep["at"], cause: ServerError) {
    super(cause.message);
    this.at = at;
    this.cause = cause;
  }
}

/** What is known of a step's queries. */
export interface Asked {
  /** The first error of the server's: it aborted the transaction, and what follows was refused. */
  readonly firstError: () => ServerError | undefined;
  /** Where a query was asked that the server refused. */
  readonly askedAt: (error: ServerError) => Error | undefined;
}

/** A step that was told to stop by its run. */
export function stoppedStep(): CodeFailure {
  const error = { code: QUERY_CANCELED, message: "the step was told to stop" };
  return { message: NOTHING_SENT, stage: { kind: "code" }, error };
}

/** What to say of whatever a step threw. */
export function codeFailure(part: CodePart, thrown: unknown, asked: Asked): CodeFailure {
  if (thrown instanceof AroundStep && thrown.at === "begin") {
    return { message: NOTHING_SENT, stage: { kind: "fence" }, error: thrown.cause };
  }
  const first = asked.firstError();
  const around = thrown instanceof AroundStep ? thrown : undefined;
  const reported = around?.cause ?? serverErrorIn(thrown);
  // What follows a failed query tells only that it did.
  const server = reported?.code === IN_FAILED_TRANSACTION && first ? first : reported;
  const misuse = around === undefined ? misuseOf(thrown) : leftTransaction(around, server);
  const { place, offset } = placeOfTrouble(part, thrown, server && asked.askedAt(server)) ?? {};
  const message = misuse?.message ?? server?.message ?? describe(thrown);
  return {
    message: NOTHING_SENT,
    stage: { kind: "code" },
    error: server ?? { code: "", message },
    trouble: {
      what: "code step",
      place,
      snippet: offset === undefined ? undefined : snippetOf(part.code.file.text, offset),
      message,
      causes: server === undefined || misuse !== undefined ? causesOf(misuse ?? thrown) : [],
      stage: around === undefined || around.at === "transaction" ? "ran" : stageOf(around),
      remedy: misuse?.remedy,
      cause: server === undefined ? thrown : undefined,
    },
  };
}

function stageOf({ at }: AroundStep): CodeTrouble["stage"] {
  return at === "constraints" ? "constraints" : "record";
}

function placeOfTrouble(part: CodePart, thrown: unknown, asked: Error | undefined) {
  const { file } = part.code;
  return placeInStack(asked, file) ?? placeInStack(thrown, file);
}

/** The end of its transaction was refused before anything of it was done. */
function leftTransaction(
  { at, cause }: AroundStep,
  server: ServerError | undefined,
): StepMisuse | undefined {
  if (at !== "transaction") return undefined;
  return cause.code === DIVISION_BY_ZERO
    ? new StepMisuse(
        "its transaction was ended before it returned",
        "Take out what ends it: a step runs in one transaction. What it did before that is committed; check the database.",
      )
    : new StepMisuse(
        `a query of it failed, and it went on: ${server?.message}`,
        "Let the error through. To go on after one, put a SAVEPOINT before the query and ROLLBACK TO it.",
        { cause: server },
      );
}

const DIVISION_BY_ZERO = "22012";

const MOST_CAUSES = 5;

function serverErrorIn(thrown: unknown): ServerError | undefined {
  return chainOf(thrown).find(isServerError);
}

function misuseOf(thrown: unknown): StepMisuse | undefined {
  return chainOf(thrown).find((one) => one instanceof StepMisuse);
}

/** An error, and what caused it: drizzle-orm and others put one of their own around it. */
export function chainOf(thrown: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  for (let at = thrown; at !== undefined && chain.length < MOST_CAUSES; ) {
    chain.push(at);
    at = at instanceof Error ? at.cause : undefined;
  }
  return chain;
}

function causesOf(thrown: unknown): readonly string[] {
  return chainOf(thrown).slice(1).map(describe);
}

function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `it threw ${messageOf(thrown)}`;
  return thrown.name === "Error" ? thrown.message : `${thrown.name}: ${thrown.message}`;
}
