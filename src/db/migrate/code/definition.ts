/** A row, by column name. */
export type StepRow = Readonly<Record<string, unknown>>;

/** SQL of a code step, on its own transaction. */
export interface StepSql {
  /** One statement; what stands in the placeholders is sent as parameters. */
  <T extends StepRow = StepRow>(
    strings: TemplateStringsArray,
    ...values: readonly unknown[]
  ): Promise<readonly T[]>;
  /** One statement with its parameters as `$1`, `$2`; without any, several are allowed. */
  readonly query: <T extends StepRow = StepRow>(
    text: string,
    parameters?: readonly unknown[],
  ) => Promise<readonly T[]>;
}

/** What a code step is given. It is of no use once the step has ended. */
export interface StepContext<Db = unknown> {
  /** drizzle-orm of the project, on the step's own transaction. */
  readonly db: Db;
  readonly sql: StepSql;
  /** Shows a line as progress. */
  readonly log: (line: string) => void;
  /** Comes when the run is to stop, at the step's time-out, and when the connection is lost. */
  readonly signal: AbortSignal;
  readonly tag: string;
  readonly databaseName: string;
  /** Number of this start of the migration, from 1. */
  readonly attempt: number;
}

/** A code step, as its author writes it. */
export interface StepDefinition<Db = unknown> {
  /** Whether there is something to do; `false` records the step as done without `run`. */
  readonly check?: (context: StepContext<Db>) => boolean | Promise<boolean>;
  /** Changes data, in the transaction that also records that it did. Returns nothing. */
  readonly run: (context: StepContext<Db>) => void | Promise<void>;
  /** Bound on `check` and `run` together, in milliseconds. Default: of the run, 600,000. */
  readonly timeoutMs?: number;
}

/** How long a step may take that sets no bound itself, in milliseconds. */
export const STEP_TIMEOUT_MS = 600_000;

/** What tells a default export of ours, whichever copy of the package made it. Its value is the kind. */
export const CODE_KIND = Symbol.for("tidemark.code");

/** What the default export of a file of code may be. */
export type CodeDefinition = { readonly kind: "step"; readonly step: StepDefinition };

/** What is wrong with a default export, or what it is. */
export function judgeExport(
  exported: unknown,
): CodeDefinition | { readonly kind: "bad"; readonly what: string } {
  if (exported === undefined) return bad("has no default export");
  const kind = isObject(exported) ? exported[CODE_KIND] : undefined;
  if (kind !== "step" || !isObject(exported)) {
    return bad(`has ${described(exported)} as its default export, not what defineStep() returns`);
  }
  const { run, check, timeoutMs } = exported;
  if (typeof run !== "function") return bad("defines a step without a function `run`");
  if (check !== undefined && typeof check !== "function") {
    return bad(`defines a step whose \`check\` is ${described(check)}, not a function`);
  }
  if (timeoutMs !== undefined && !isTimeout(timeoutMs)) {
    return bad(
      `defines a step whose \`timeoutMs\` is ${String(timeoutMs)}, not a number of milliseconds from 1 to ${LONGEST_TIMEOUT_MS}`,
    );
  }
  return { kind: "step", step: exported as unknown as StepDefinition };
}

/** As timers count. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

function isTimeout(value: unknown): boolean {
  return typeof value === "number" && value >= 1 && value <= LONGEST_TIMEOUT_MS;
}

/** What something is, in a few words. */
export function described(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  const type = typeof value;
  if (type === "string") return `the text ${JSON.stringify(value)}`;
  if (type === "number" || type === "boolean" || type === "bigint") return `${String(value)}`;
  return type === "object" ? "an object" : `a ${type}`;
}

function bad(what: string) {
  return { kind: "bad", what } as const;
}

function isObject(value: unknown): value is Record<PropertyKey, unknown> {
  return typeof value === "object" && value !== null;
}
