/** What is so after an error: what was, or was not, done before it. */
export type Outcome =
  | "nothing-run"
  | "nothing-written"
  | "nothing-compared"
  | "nothing-started"
  | "nothing-read"
  /** Told by the fact. */
  | "rolled-back"
  | "partly-committed";

const OUTCOME_TEXTS: Readonly<Record<Outcome, string>> = {
  "nothing-run": "Nothing was run.",
  "nothing-written": "Nothing was written.",
  "nothing-compared": "Nothing was compared.",
  "nothing-started": "Nothing was started.",
  "nothing-read": "Nothing was read.",
  "rolled-back": "",
  "partly-committed": "",
};

/** Where in a file, counted from 1; the column in code points. */
export interface ProblemPlace {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

export interface ProblemParts<Code extends string = string> {
  readonly code: Code;
  /** What is so, with the values. */
  readonly fact: string;
  readonly outcome?: Outcome | undefined;
  /** What to do about it. */
  readonly remedy: string;
  readonly place?: ProblemPlace | undefined;
  readonly cause?: unknown;
}

/**
 * The base of every error that is meant for people: `message` is the fact, then the outcome and
 * the remedy. Match on `code`, never on the text.
 */
export class Problem<Code extends string = string> extends Error {
  readonly code: Code;
  readonly fact: string;
  readonly outcome: Outcome | undefined;
  readonly remedy: string;
  readonly place: ProblemPlace | undefined;

  constructor(parts: ProblemParts<Code>) {
    super([parts.fact, adviceOf(parts)].filter((text) => text !== "").join("\n"), {
      cause: parts.cause,
    });
    this.name = "Problem";
    this.code = parts.code;
    this.fact = parts.fact;
    this.outcome = parts.outcome;
    this.remedy = parts.remedy;
    this.place = parts.place;
  }
}

/** The outcome in words, then the remedy. */
export function adviceOf({
  outcome,
  remedy,
}: {
  readonly outcome?: Outcome | undefined;
  readonly remedy: string;
}): string {
  const text = outcome === undefined ? "" : OUTCOME_TEXTS[outcome];
  return [text, remedy].filter((part) => part !== "").join(" ");
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") {
    return error.errors.map(messageOf).join("; ");
  }
  if (error instanceof Error) return error.message;
  try {
    return String(error);
  } catch {
    // An object without a prototype cannot be text.
    return "something that is not an error was thrown";
  }
}

/** The `code` of a system or PostgreSQL error (`ENOENT`, `57P03`); undefined for anything else. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Cleans up after `error` and throws it, whatever happens then; what fails too is attached to it. */
export async function throwAfter(error: unknown, cleanUp: () => Promise<unknown>): Promise<never> {
  try {
    await cleanUp();
  } catch (cleanUpError) {
    if (error instanceof Error) Object.assign(error, { cleanUpError });
  }
  throw error;
}
