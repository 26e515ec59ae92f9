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
  const snapshot = JSON.parse(withoutBom(text)) as {
    enums?: NonNullable<SnapshotSchema["enums"]>;
    ddl?: readonly Row[];
    deltas?: readonly Delta[];
  };
  const orders = new Map(
    reordered.map(({ name: [schema, name], values, wanted }) => [
      keyOf({ entityType: "enums", schema, name }),
      inOrderOf(values, wanted),
    ]),
  );
  const inOrder = <T extends Row>(row: T, key: string): T =>
    orders.has(key) ? { ...row, values: orders.get(key) } : row;
  const { enums, ddl, deltas } = snapshot;
  const edited =
    deltas !== undefined
      ? {
          deltas: [
            ...deltas,
            ...[...orders].map(([key, values]): Delta => ({ op: "alter", key, set: { values } })),
          ],
        }
      : ddl !== undefined
        ? { ddl: ddl.map((row) => inOrder(row, keyOf(row))) }
        : {
            enums: Object.fromEntries(
              Object.entries(enums ?? {}).map(([key, { schema, ...type }]) => [
                key,
                {
                  ...inOrder(
                    type,
                    keyOf({ ...type, schema: schema || "public", entityType: "enums" }),
                  ),
                  schema,
                },
              ]),
            ),
          };
  return JSON.stringify({ ...snapshot, ...edited });
}

/** Values that the other does not have keep their places. */
function inOrderOf(values: readonly string[], other: readonly string[]): readonly string[] {
  const wanted = new Set(other);
  const there = new Set(values);
  const shared = other.filter((value) => there.has(value))[Symbol.iterator]();
  return values.map((value) => (wanted.has(value) ? (shared.next().value ?? value) : value));
}
