/** A column of a reply: its name, and its type's OID. */
export interface ReplyColumn {
  readonly name: string;
  readonly type: number;
}

/**
 * A value as PostgreSQL reads it in text: the server decides which type it is.
 *
 * @throws TypeError of what no parameter can be
 */
export function toText(value: unknown): string | null {
  if (value === null) return null;
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") {
    return String(value);
  }
  if (value instanceof Date) return value.toISOString();
  const bytes = bytesOf(value);
  if (bytes !== undefined) return `\\x${bytes.toString("hex")}`;
  if (Array.isArray(value)) return `{${value.map(elementText).join(",")}}`;
  const kind = typeof value === "object" ? Object.prototype.toString.call(value) : typeof value;
  if (kind === "[object Promise]") throw new TypeError("a parameter is a promise: await it");
  if (typeof value === "object" && !EMPTY_AS_JSON.has(kind)) return JSON.stringify(value);
  throw new TypeError(`a parameter is ${kind}, which PostgreSQL has no value for`);
}

/** What JSON would write as `{}`. */
const EMPTY_AS_JSON: ReadonlySet<string> = new Set(
  ["Map", "Set", "WeakMap", "WeakSet", "WeakRef", "RegExp", "Error"].map(
    (tag) => `[object ${tag}]`,
  ),
);

function bytesOf(value: unknown): Buffer | undefined {
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return Buffer.from(value);
  if (!ArrayBuffer.isView(value)) return undefined;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function elementText(value: unknown): string {
  const text = value === undefined ? null : toText(value);
  if (text === null) return "NULL";
  return Array.isArray(value) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
}

type Read = (text: string) => unknown;

const NUMBER: Read = Number;
const DATE: Read = (text) => (/infinity$/.test(text) ? text : new Date(text));
const BYTES: Read = (text) => Buffer.from(text.slice(2), "hex");

/** By the type's OID, as postgres.js reads them. What is not here stays text: bigint, numeric, uuid. */
const READERS: ReadonlyMap<number, Read> = new Map([
  [16, (text: string) => text === "t"],
  ...[21, 23, 26, 700, 701].map((type) => [type, NUMBER] as const),
  ...[114, 3802].map((type) => [type, JSON.parse as Read] as const),
  [17, BYTES],
  ...[1082, 1114, 1184].map((type) => [type, DATE] as const),
]);

/** Element types of the array types. */
const ELEMENTS: ReadonlyMap<number, number> = new Map([
  ...([
    [1000, 16],
    [1001, 17],
    [1003, 19],
    [1005, 21],
    [1007, 23],
    [1009, 25],
  ] as const),
  ...([
    [1014, 1042],
    [1015, 1043],
    [1016, 20],
    [1021, 700],
    [1022, 701],
    [1028, 26],
  ] as const),
  ...([
    [199, 114],
    [3807, 3802],
    [2951, 2950],
    [1231, 1700],
  ] as const),
  ...([
    [1115, 1114],
    [1182, 1082],
    [1185, 1184],
  ] as const),
]);

// drizzle-orm reads these itself, from text.
const LEFT_TO_DRIZZLE: ReadonlySet<number> = new Set([
  1082, 1083, 1114, 1184, 1115, 1182, 1185, 1231,
]);

/** Reads a value of a reply. */
export function fromText(text: string | null, type: number, by: "user" | "drizzle"): unknown {
  if (text === null || (by === "drizzle" && LEFT_TO_DRIZZLE.has(type))) return text;
  const element = ELEMENTS.get(type);
  if (element !== undefined) return readArray(text, READERS.get(element));
  return READERS.get(type)?.(text) ?? text;
}

/** Reads an array's text: `{1,NULL,"a\"b",{2}}`. */
function readArray(text: string, read: Read | undefined): readonly unknown[] {
  // `[2:3]={…}`: bounds of its own.
  let at = text.indexOf("{");
  const list = (): unknown[] => {
    const items: unknown[] = [];
    at += 1;
    while (text[at] !== "}" && at < text.length) {
      if (text[at] === ",") at += 1;
      else if (text[at] === "{") items.push(list());
      else items.push(item());
    }
    at += 1;
    return items;
  };
  const item = (): unknown => {
    const quoted = text[at] === '"';
    const match = quoted ? /"((?:[^"\\]|\\.)*)"/sy : /[^,{}]*/y;
    match.lastIndex = at;
    const [whole = "", inside = whole] = match.exec(text) ?? [];
    at += Math.max(whole.length, 1);
    if (!quoted && whole === "NULL") return null;
    const value = quoted ? inside.replace(/\\(.)/gs, "$1") : whole;
    return read === undefined ? value : read(value);
  };
  return list();
}
