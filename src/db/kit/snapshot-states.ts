import {
  type Delta,
  isNoSnapshot,
  type Row,
  type Snapshot,
  type SnapshotSchema,
} from "./snapshots.ts";

/**
 * The schema that drizzle-kit compares with: of one snapshot, or of several that branches end with.
 * Of format 9 it is put together from the first snapshot and all that lead here.
 *
 * @param ends the newest first
 * @param all snapshots of the folder, in its order
 */
export function schemaAt(ends: readonly Snapshot[], all: readonly Snapshot[]): SnapshotSchema {
  const [first] = ends;
  if (first === undefined) return {};
  if (first.body.kind === "objects") return first.body.schema;
  const byId = new Map(all.map((snapshot) => [snapshot.id, snapshot]));
  const rows = rowsAt(first, byId, all);
  const ids = ends.map(({ id }) => id);
  return schemaOf([...applied(rows, othersOf(ids, byId, all)).values()]);
}

type ById = ReadonlyMap<string, Snapshot>;
/** Entities by drizzle-kit's key of them. */
type Rows = Map<string, Row>;

/** Down the line of first parents to a whole schema, and up again. */
function rowsAt(end: Snapshot, byId: ById, all: readonly Snapshot[]): Rows {
  const line: Snapshot[] = [];
  for (let at: Snapshot | undefined = end; at !== undefined && !line.includes(at); ) {
    line.push(at);
    at = at.body.kind === "deltas" ? byId.get(at.prevIds[0] ?? "") : undefined;
  }
  let rows: Rows = new Map();
  for (const { body, prevIds } of line.toReversed()) {
    if (body.kind === "rows") rows = new Map(body.rows.map((row) => [keyOf(row), row]));
    if (body.kind !== "deltas") continue;
    applied(rows, othersOf(prevIds, byId, all));
    applied(rows, body.deltas);
  }
  return rows;
}

/** What the other branches have changed since they left the first one, in the folder's order. */
function othersOf(
  [first = "", ...others]: readonly string[],
  byId: ById,
  all: readonly Snapshot[],
): readonly Delta[] {
  if (others.length === 0) return [];
  const known = ancestry([first], byId);
  const rest = ancestry(others, byId);
  return all.flatMap(({ id, body }) =>
    body.kind === "deltas" && rest.has(id) && !known.has(id) ? body.deltas : [],
  );
}

/** Snapshots by their ids, and all that they follow. */
export function ancestry(ids: readonly string[], byId: ById): ReadonlySet<string> {
  const found = new Set<string>();
  const open = ids.filter((id) => !isNoSnapshot(id));
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    open.push(...(byId.get(id)?.prevIds ?? []).filter((prev) => !isNoSnapshot(prev)));
  }
  return found;
}

/** The kinds of entities that are read here, each with the fields that identify one. */
const IDENTITY: Readonly<Record<string, readonly string[]>> = {
  schemas: ["name"],
  tables: ["schema", "name"],
  enums: ["schema", "name"],
  sequences: ["schema", "name"],
  views: ["schema", "name"],
  columns: ["schema", "table", "name"],
};

/** `columns\0["public","users","name"]`; of entities that are not read here, one that nothing equals. */
export function keyOf(row: Row): string {
  const type = String(row.entityType);
  const fields = IDENTITY[type];
  return `${type}\0${JSON.stringify(fields === undefined ? row : fields.map((field) => row[field]))}`;
}

/** The kind and the names of a key: `["columns", ["public", "users", "name"]]`. */
export function parseKey(key: string): readonly [string, readonly string[]] {
  const [type = "", names = "[]"] = key.split("\0");
  return [type, JSON.parse(names) as readonly string[]];
}

function applied(rows: Rows, deltas: readonly Delta[]): Rows {
  for (const delta of deltas) {
    if (delta.op === "create") rows.set(keyOf(delta.row), delta.row);
    else if (delta.op === "drop") rows.delete(delta.key);
    else {
      const row = rows.get(delta.key);
      if (row === undefined) continue;
      rows.delete(delta.key);
      const changed = { ...row, ...delta.set };
      if (delta.op === "rename") follow(rows, row, changed);
      rows.set(keyOf(changed), changed);
    }
  }
  return rows;
}

/** Gives the new name to what holds the old one: drizzle-kit writes no delta for that. */
function follow(rows: Rows, from: Row, to: Row): void {
  for (const [key, row] of [...rows]) {
    const set = following(row, from, to);
    if (set === undefined) continue;
    rows.delete(key);
    const changed = { ...row, ...set };
    rows.set(keyOf(changed), changed);
  }
}

function following(row: Row, from: Row, to: Row): Row | undefined {
  switch (from.entityType) {
    case "schemas": {
      const inIt = row.entityType !== "schemas" && row.schema === from.name;
      const ofIt = row.typeSchema === from.name;
      if (!inIt && !ofIt) return undefined;
      return { ...(inIt && { schema: to.name }), ...(ofIt && { typeSchema: to.name }) };
    }
    case "tables":
      if (row.entityType !== "columns") return undefined;
      if (row.schema !== from.schema || row.table !== from.name) return undefined;
      return { schema: to.schema, table: to.name };
    case "enums":
      if (row.type !== from.name || row.typeSchema !== from.schema) return undefined;
      return { type: to.name, typeSchema: to.schema };
    default:
      return undefined;
  }
}

function schemaOf(rows: readonly Row[]): SnapshotSchema {
  const of = (type: string) => rows.filter(({ entityType }) => entityType === type);
  const named = <T>(type: string, value: (row: Row) => T): Record<string, T> =>
    Object.fromEntries(of(type).map((row) => [`${row.schema}.${row.name}`, value(row)]));
  const tables = named("tables", (row) => ({
    schema: String(row.schema),
    columns: {} as Record<string, { type: string; typeSchema?: string }>,
  }));
  for (const { schema, table, name, type, typeSchema } of of("columns")) {
    const { columns = {} } = tables[`${schema}.${table}`] ?? {};
    columns[String(name)] = {
      type: String(type),
      ...(typeof typeSchema === "string" && { typeSchema }),
    };
  }
  return {
    tables,
    enums: named("enums", ({ name, schema, values }) => ({
      name: String(name),
      schema: String(schema),
      values: Array.isArray(values) ? values.map(String) : [],
    })),
    sequences: named("sequences", ({ schema }) => ({ schema: String(schema) })),
    views: named("views", ({ schema }) => ({ schema: String(schema) })),
    schemas: Object.fromEntries(of("schemas").map(({ name }) => [String(name), String(name)])),
  };
}
