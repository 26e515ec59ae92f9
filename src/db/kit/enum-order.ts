import { withoutBom } from "../base/files.ts";
import type { ReorderedEnum } from "./model.ts";
import { keyOf } from "./snapshot-states.ts";
import type { Delta, Row, SnapshotSchema } from "./snapshots.ts";

export function reorderedEnums(
  before: SnapshotSchema,
  after: SnapshotSchema,
): readonly ReorderedEnum[] {
  const { enums: old = {} } = before;
  return Object.entries(after.enums ?? {}).flatMap(([key, now]) => {
    const values = old[key]?.values ?? [];
    if (inOrderOf(values, now.values).join("\0") === values.join("\0")) return [];
    return { name: [now.schema || "public", now.name], values, wanted: now.values };
  });
}

/**
 * Text of a snapshot, with enums in the order that the schema has: where only the order differs,
 * drizzle-kit would drop and recreate the types.
 */
export function withEnumOrder(text: string, reordered: readonly ReorderedEnum[]): string {
  const snapshot = JSON.parse(withoutBom(text)) as RawSnapshot;
  const orders = new Map(
    reordered.map(({ name: [schema, name], values, wanted }) => [
      keyOf({ entityType: "enums", schema, name }),
      inOrderOf(values, wanted),
    ]),
  );
  return JSON.stringify({ ...snapshot, ...inOrder(snapshot, orders) });
}

/** What of a snapshot's text holds enums, in one format or another. */
interface RawSnapshot {
  readonly enums?: NonNullable<SnapshotSchema["enums"]>;
  readonly ddl?: readonly Row[];
  readonly deltas?: readonly Delta[];
}

function inOrder(
  { enums = {}, ddl, deltas }: RawSnapshot,
  orders: ReadonlyMap<string, readonly string[]>,
): RawSnapshot {
  if (deltas !== undefined) {
    const last = [...orders].map(([key, values]): Delta => ({ op: "alter", key, set: { values } }));
    return { deltas: [...deltas, ...last] };
  }
  if (ddl !== undefined) {
    return { ddl: ddl.map((row) => ({ ...row, ...valuesIn(orders, keyOf(row)) })) };
  }
  const ordered = Object.entries(enums).map(([key, type]) => {
    const row = { ...type, schema: type.schema || "public", entityType: "enums" };
    return [key, { ...type, ...valuesIn(orders, keyOf(row)) }] as const;
  });
  return { enums: Object.fromEntries(ordered) };
}

function valuesIn(orders: ReadonlyMap<string, readonly string[]>, key: string) {
  const values = orders.get(key);
  return values === undefined ? {} : { values };
}

/** Values that the other does not have keep their places. */
function inOrderOf(values: readonly string[], other: readonly string[]): readonly string[] {
  const wanted = new Set(other);
  const there = new Set(values);
  const shared = other.filter((value) => there.has(value))[Symbol.iterator]();
  return values.map((value) => (wanted.has(value) ? (shared.next().value ?? value) : value));
}
