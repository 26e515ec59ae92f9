import { urlProblem } from "../../db/base/address.ts";
import type { TidemarkSettings } from "../../db/migrate/index.ts";

interface Kind {
  readonly expected: string;
  readonly isValid: (value: unknown) => boolean;
}

const isTexts = (value: unknown, keys: readonly string[]) =>
  typeof value === "object" &&
  value !== null &&
  Object.entries(value).every(([key, text]) => keys.includes(key) && typeof text === "string");

const TEXT: Kind = { expected: "a text", isValid: (value) => typeof value === "string" };
const NUMBER: Kind = { expected: "a number", isValid: (value) => typeof value === "number" };

const KINDS: Readonly<Record<keyof TidemarkSettings, Kind>> = {
  ledgerSchema: TEXT,
  scratchUrl: {
    expected: "a URL like postgres://user:password@host:5432/postgres",
    isValid: (value) => typeof value === "string" && urlProblem(value) === undefined,
  },
  ignore: {
    expected: "a list of patterns",
    isValid: (value) => Array.isArray(value) && value.every((one) => typeof one === "string"),
  },
  connectTimeoutMs: NUMBER,
  waitTimeoutMs: NUMBER,
  lockTimeoutMs: NUMBER,
  lockTries: NUMBER,
  lockBudgetMs: NUMBER,
  stepTimeoutMs: NUMBER,
  deadlineMs: NUMBER,
  recordRowValues: {
    expected: "true or false",
    isValid: (value) => typeof value === "boolean",
  },
  drizzleTable: {
    expected: "{ schema, table }",
    isValid: (value) => isTexts(value, ["schema", "table"]),
  },
  eventSink: {
    expected: "{ table, sql }",
    isValid: (value) =>
      isTexts(value, ["table", "sql"]) && Object.keys(value as object).length === 2,
  },
};

/** Names of the keys that the key `tidemark` may have. */
export const TIDEMARK_KEYS: readonly string[] = Object.keys(KINDS);

/** Reads the key `tidemark` of a drizzle configuration; what is wrong is added to the problems. */
export function readTidemarkKey(
  given: unknown,
  file: string,
  problems: string[],
): TidemarkSettings {
  if (given === undefined) return {};
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    problems.push(`tidemark in ${file} is no object`);
    return {};
  }
  const found: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    const kind = isKnown(key) ? KINDS[key] : undefined;
    if (kind === undefined) {
      problems.push(
        `tidemark in ${file} has the unknown key ${key}; known are ${TIDEMARK_KEYS.join(", ")}`,
      );
    } else if (value === undefined) {
      // As if it were not there, e.g. a variable of the environment that is not set.
    } else if (kind.isValid(value)) {
      found[key] = value;
    } else {
      // A URL holds a password.
      const shown = key === "scratchUrl" ? "not what is expected" : JSON.stringify(value);
      problems.push(`tidemark.${key} in ${file} is ${shown}: ${kind.expected} is expected`);
    }
  }
  return found;
}

function isKnown(key: string): key is keyof TidemarkSettings {
  return TIDEMARK_KEYS.includes(key);
}
