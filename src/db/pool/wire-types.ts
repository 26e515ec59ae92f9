import type postgres from "postgres";

// OIDs of pg_type that never change.
const INT8 = 20;
const JSON_TYPES = [114, 3802];
const LOCAL_TIMES = [1082, 1114];
const TIMESTAMPTZ = 1184;
const ARRAYS = {
  text: [1002, 1003, 1009, 1014, 1015, 1115, 1182, 1231, 2951],
  number: [1005, 1007, 1021, 1022, 1028],
  boolean: [1000],
  int8: [1016],
  json: [199, 3807],
  timestamptz: [1185],
};

/**
 * How values cross the wire:
 * - int8 is a number if that is exact, else a bigint (the driver would give a string, and
 *   `"9" > "10"`);
 * - json is written from any value but a string, which counts as JSON text already, as in drizzle;
 * - timestamptz is a Date; date and timestamp have no time zone and stay text;
 * - arrays of built-in types are arrays. The driver would learn them with a query of its own when it
 *   connects, whose failure nobody can catch.
 *
 * `datesAsText` is called for every value: drizzle maps dates itself and needs the server's text.
 */
export function wireTypes(
  datesAsText: () => boolean,
): Readonly<Record<string, postgres.PostgresType>> {
  const instant = (text: string) => (datesAsText() ? text : new Date(text));
  return {
    int8: { to: INT8, from: [INT8], parse: parseInteger, serialize: String },
    json: { to: 114, from: JSON_TYPES, parse: JSON.parse, serialize: toJsonText },
    localTime: { to: 1114, from: LOCAL_TIMES, parse: String, serialize: toText },
    instant: { to: TIMESTAMPTZ, from: [TIMESTAMPTZ], parse: instant, serialize: toText },
    textArray: arrayOf(ARRAYS.text, String),
    numberArray: arrayOf(ARRAYS.number, Number),
    booleanArray: arrayOf(ARRAYS.boolean, (text) => text === "t"),
    int8Array: arrayOf(ARRAYS.int8, parseInteger),
    jsonArray: arrayOf(ARRAYS.json, JSON.parse, toJsonText),
    instantArray: arrayOf(ARRAYS.timestamptz, instant),
  };
}

function parseInteger(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

function toJsonText(value: unknown): unknown {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function toText(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value);
}

function arrayOf(
  oids: number[],
  parse: (text: string) => unknown,
  serialize: (value: unknown) => unknown = toText,
): postgres.PostgresType {
  return {
    to: oids[0] ?? 0,
    from: oids,
    parse: (text: string) => parseArray(text, parse),
    serialize: (value: unknown) =>
      Array.isArray(value) ? formatArray(value, serialize) : String(value),
  };
}

function formatArray(values: readonly unknown[], serialize: (value: unknown) => unknown): string {
  const items = values.map((value) => {
    if (value === null || value === undefined) return "null";
    if (Array.isArray(value)) return formatArray(value, serialize);
    return `"${String(serialize(value)).replace(/["\\]/g, "\\$&")}"`;
  });
  return `{${items.join(",")}}`;
}

/** Reads an array literal. Unquoted NULL is null; lower bounds (`[0:1]={…}`) are dropped. */
function parseArray(literal: string, parse: (text: string) => unknown): unknown[] {
  const root: unknown[] = [];
  const open = [root];
  for (const [token, quoted] of literal
    .slice(literal.indexOf("{"))
    .matchAll(/[{},]|"((?:[^"\\]|\\.)*)"|[^{},"]+/gs)) {
    const current = open.at(-1) ?? root;
    if (token === "{") {
      const nested: unknown[] = [];
      current.push(nested);
      open.push(nested);
    } else if (token === "}") {
      open.pop();
    } else if (quoted !== undefined) {
      current.push(parse(quoted.replace(/\\(.)/gs, "$1")));
    } else if (token !== ",") {
      current.push(token === "NULL" ? null : parse(token));
    }
  }
  return root[0] as unknown[];
}
