import { described, type StepContext } from "./definition.ts";

/** What fills rows, in batches by key, each in a transaction with its checkpoint. */
export interface BackfillDefinition<Db = unknown> {
  /** The table, as in SQL: `users`, `app.users`, `"Users"`. */
  readonly table: string;
  /** Columns of a unique key, in its order. Default: the primary key. */
  readonly key?: string | readonly string[];
  /** Which rows, as an SQL condition over the table, whose name in it is `t`. Default: all. */
  readonly where?: string;
  /**
   * What they get, as the SET list of an UPDATE of the table `t`: `full_name = t.first || ' ' || t.last`.
   * Either this or `run`.
   */
  readonly set?: string;
  /** Code for a batch, in the batch's transaction. Must do nothing that a rollback does not take back. */
  readonly run?: (batch: BatchContext<Db>) => Promise<void> | void;
  readonly batch?: BatchLimits;
  /** `migrate` does not wait for it: a worker of the application runs it. Default false. */
  readonly background?: boolean;
  /**
   * SQL that runs when the last batch is through, each in a transaction of its own, with the time-outs for locks
   * of a migration. `setNotNull(table, column)` writes the usual one.
   */
  readonly finalize?: string | readonly string[];
  /** When it may run, by the clock of a time zone: `{ from: "22:00", to: "06:00", timeZone: "Europe/Zurich" }`. */
  readonly hours?: Hours;
  readonly pauseWhen?: PauseLimits;
  /**
   * Share of the rows that may be put aside before it is given up, from 0 to 1. Default 0.01. Rows that are put
   * aside are tried again at the end; it is done when none is left.
   */
  readonly maxQuarantined?: number;
}

/** Rows of a batch, in milliseconds of its transaction. */
export interface BatchLimits {
  /** Of the first batch. Default 1,000. */
  readonly size?: number;
  /** Default 1. */
  readonly min?: number;
  /** Default 50,000. */
  readonly max?: number;
  /** What a batch may take: its size follows this. Default 30: others who write the table wait that long at most for its rows. */
  readonly targetMs?: number;
  /** Where a batch is stopped, rolled back and tried again with half of its rows. Default 1,000. */
  readonly longestMs?: number;
  /**
   * How long it rests for each millisecond of work, from 0 to 100, as gh-ost's `--nice-ratio`: with 0.5 it works two
   * thirds of the time. Default 0.
   */
  readonly niceRatio?: number;
}

/** As `HH:MM`; where `from` is after `to`, over midnight. */
export interface Hours {
  readonly from: string;
  readonly to: string;
  /** An IANA name. Default UTC. */
  readonly timeZone?: string;
}

/** What makes it wait. Unknown where the role may not see it. */
export interface PauseLimits {
  /** A standby is this far behind in replay. Default 10,000. */
  readonly replicationLagMs?: number;
  /** WAL files wait to be archived. Default 64. */
  readonly walFilesToArchive?: number;
  /** Dead rows of the table for each live one: vacuum does not keep up. Default 2. */
  readonly deadRows?: number;
}

/** What the code of a batch is given: the step's context, in the batch's transaction. */
export interface BatchContext<Db = unknown> extends StepContext<Db> {
  /** SQL condition for the batch's rows of the table, whose name in it is `t`: an UPDATE of it, or `sql.raw(rows)`. */
  readonly rows: string;
}

export const DEFAULTS = {
  size: 1_000,
  min: 1,
  max: 50_000,
  targetMs: 30,
  longestMs: 1_000,
  niceRatio: 0,
  replicationLagMs: 10_000,
  walFilesToArchive: 64,
  deadRows: 2,
  maxQuarantined: 0.01,
} as const;

/** What is wrong with a backfill, as the rest of a sentence; undefined where nothing is. */
export function backfillProblem(given: Readonly<Record<PropertyKey, unknown>>): string | undefined {
  const unknown = Object.keys(given).filter((name) => !KNOWN.has(name));
  if (unknown.length > 0) return `has ${unknown.join(", ")}, which a backfill does not know`;
  const { table, key, where, set, run, background, finalize, hours } = given;
  if (typeof table !== "string" || table.trim() === "")
    return wrong("table", table, "a table's name");
  if (key !== undefined && !isText(key) && !isTexts(key)) {
    return wrong("key", key, "the name of a column, or a list of them");
  }
  if (where !== undefined && !isText(where)) return wrong("where", where, "an SQL condition");
  if ((set === undefined) === (run === undefined)) {
    return set === undefined ? "has neither `set` nor `run`" : "has both `set` and `run`";
  }
  if (set !== undefined && !isText(set)) return wrong("set", set, "the SET list of an UPDATE");
  if (run !== undefined && typeof run !== "function") return wrong("run", run, "a function");
  if (background !== undefined && typeof background !== "boolean") {
    return wrong("background", background, "true or false");
  }
  if (finalize !== undefined && !isText(finalize) && !isTexts(finalize)) {
    return wrong("finalize", finalize, "SQL, or a list of it");
  }
  return numberProblem(given) ?? hoursProblem(hours);
}

const KNOWN = new Set([
  "table",
  "key",
  "where",
  "set",
  "run",
  "batch",
  "background",
  "finalize",
  "hours",
  "pauseWhen",
  "maxQuarantined",
]);

function numberProblem({
  batch,
  pauseWhen,
  maxQuarantined,
}: Readonly<Record<PropertyKey, unknown>>): string | undefined {
  if (maxQuarantined !== undefined && !isBetween(maxQuarantined, 0, 1)) {
    return wrong("maxQuarantined", maxQuarantined, "a share from 0 to 1");
  }
  const groups = [
    ["batch", batch, ["size", "min", "max", "targetMs", "longestMs", "niceRatio"]],
    ["pauseWhen", pauseWhen, ["replicationLagMs", "walFilesToArchive", "deadRows"]],
  ] as const;
  for (const [name, group, fields] of groups) {
    if (group === undefined) continue;
    if (typeof group !== "object" || group === null) return wrong(name, group, "an object");
    for (const [field, value] of Object.entries(group)) {
      if (!fields.some((known) => known === field))
        return `has ${name}.${field}, which a backfill does not know`;
      if (field === "niceRatio") {
        if (!isBetween(value, 0, 100))
          return wrong("batch.niceRatio", value, "a number from 0 to 100");
      } else if (!isBetween(value, name === "batch" ? 1 : 0, Number.MAX_SAFE_INTEGER)) {
        return wrong(`${name}.${field}`, value, "a number from 1");
      }
    }
  }
  const { size, min, max } = { ...DEFAULTS, ...(batch as BatchLimits | undefined) };
  return min > max || size > max || size < min
    ? `has batches of ${size} rows, from ${min} to ${max}: the first must lie between the others`
    : undefined;
}

function hoursProblem(hours: unknown): string | undefined {
  if (hours === undefined) return undefined;
  if (typeof hours !== "object" || hours === null) return wrong("hours", hours, "an object");
  const { from, to, timeZone }: Record<string, unknown> = { ...hours };
  for (const [name, value] of Object.entries({ from, to })) {
    if (typeof value !== "string" || !/^([01]\d|2[0-3]):[0-5]\d$/.test(value)) {
      return wrong(`hours.${name}`, value, "a time as HH:MM");
    }
  }
  if (from === to) return `has hours from ${from} to ${to}, which is never`;
  if (timeZone === undefined) return undefined;
  try {
    new Intl.DateTimeFormat("en-GB", { timeZone: String(timeZone) });
    return undefined;
  } catch {
    return wrong("hours.timeZone", timeZone, "the name of a time zone");
  }
}

const isText = (value: unknown) => typeof value === "string" && value.trim() !== "";
const isTexts = (value: unknown) => Array.isArray(value) && value.length > 0 && value.every(isText);

function isBetween(value: unknown, least: number, most: number): boolean {
  return typeof value === "number" && value >= least && value <= most;
}

function wrong(name: string, value: unknown, expected: string): string {
  return value === undefined
    ? `has no \`${name}\`, which is ${expected}`
    : `has ${described(value)} as \`${name}\`, not ${expected}`;
}
