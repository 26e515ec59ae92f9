/** Properties whose catalog name is not what a person calls them. */
const PROPERTY_WORDS: Readonly<Record<string, string>> = {
  def: "definition",
  baseType: "type",
  notNull: "not null",
  generatedExpr: "generated",
  usingExpr: "using",
  checkExpr: "with check",
  cmd: "command",
  rowSecurity: "row level security",
  forceRowSecurity: "forced row level security",
  reloptions: "storage parameters",
  parentTable: "partition or child of",
  partitionBound: "partition for",
  partitionKey: "partitioned by",
  ownedBy: "owned by",
  enabled: "fires",
  valid: "usable",
};

/** One-letter codes of the catalog, by property. */
const CODES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  persistence: { p: "permanent", u: "unlogged", t: "temporary" },
  replicaIdentity: { d: "default", n: "nothing", f: "full", i: "an index" },
  enabled: { O: "yes", D: "no", R: "in replicas only", A: "always" },
  cmd: { r: "select", a: "insert", w: "update", d: "delete", "*": "all" },
  generation: { a: "always", d: "by default" },
  provider: { b: "builtin", c: "libc", i: "icu", d: "default" },
};

/** A property of the catalog as a person calls it: `row level security`, `min value`. */
export function propertyWord(property: string): string {
  return PROPERTY_WORDS[property] ?? property.replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`);
}

/** A value of the catalog as text; `none` for a missing one. */
export function valueWords(property: string, value: unknown): string {
  if (value === null || value === undefined) return "none";
  if (property === "valid" && value === false) return "no: INVALID";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return CODES[property]?.[value] ?? value;
  if (Array.isArray(value)) {
    return value.length === 0 ? "none" : value.map((item) => valueWords("", item)).join(", ");
  }
  if (typeof value === "object") return recordWords(value);
  return String(value);
}

function recordWords(value: object): string {
  // A reference: schema, table, column.
  if ("schema" in value) return Object.values(value).join(".");
  return Object.entries(value)
    .filter(([key, item]) => !key.startsWith("_") && item !== null && item !== undefined)
    .map(([key, item]) => `${propertyWord(key)} ${valueWords(key, item)}`)
    .join(", ");
}

/** Two values that differ; of records, only the fields that differ. */
export function changeWords(
  property: string,
  from: unknown,
  to: unknown,
): { readonly expected: string; readonly found: string } {
  const [before, after] = isRecord(from) && isRecord(to) ? onlyChanged(from, to) : [from, to];
  return { expected: valueWords(property, before), found: valueWords(property, after) };
}

type ValueRecord = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is ValueRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function onlyChanged(from: ValueRecord, to: ValueRecord): readonly [ValueRecord, ValueRecord] {
  const keys = Object.keys({ ...from, ...to }).filter(
    (key) => JSON.stringify(from[key]) !== JSON.stringify(to[key]),
  );
  const pick = (record: ValueRecord) => Object.fromEntries(keys.map((key) => [key, record[key]]));
  return [pick(from), pick(to)];
}

/** Privileges that a role holds: `SELECT, UPDATE with grant option`. */
export function grantWords(privileges: unknown, grantable: unknown): string {
  const held = Array.isArray(privileges) ? privileges : [];
  const passedOn = new Set(Array.isArray(grantable) ? grantable : []);
  if (held.length === 0) return "none";
  return held
    .map((privilege) => `${privilege}${passedOn.has(privilege) ? " with grant option" : ""}`)
    .join(", ");
}
