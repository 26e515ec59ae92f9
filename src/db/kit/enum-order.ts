import type { FullName } from "./model.ts";
import { type Snapshot, snapshotText } from "./snapshots.ts";

/** An enum whose values the schema lists in another order than the newest snapshot. */
export interface ReorderedEnum {
  readonly name: FullName;
  /** As the snapshot has them. */
  readonly values: readonly string[];
  /** As the schema has them. */
  readonly wanted: readonly string[];
}

export function reorderedEnums(before: Snapshot, after: Snapshot): readonly ReorderedEnum[] {
  const { enums: old = {} } = before.schema;
  return Object.entries(after.schema.enums ?? {}).flatMap(([key, now]) => {
    const values = old[key]?.values ?? [];
    if (inOrderOf(values, now.values).join("\0") === values.join("\0")) return [];
    return { name: [now.schema || "public", now.name], values, wanted: now.values };
  });
}

/**
 * Text of the snapshot with its enums in the other's order: where only the order differs, drizzle-kit
 * would drop and recreate the types.
 */
export function withOrderOf(before: Snapshot, after: Snapshot): string {
  const { enums: now = {} } = after.schema;
  const enums = Object.entries(before.schema.enums ?? {}).map(([key, type]) => [
    key,
    { ...type, values: inOrderOf(type.values, now[key]?.values ?? []) },
  ]);
  return snapshotText(before, { ...before.schema, enums: Object.fromEntries(enums) });
}

/** Values that the other does not have keep their places. */
function inOrderOf(values: readonly string[], other: readonly string[]): readonly string[] {
  const wanted = new Set(other);
  const there = new Set(values);
  const shared = other.filter((value) => there.has(value))[Symbol.iterator]();
  return values.map((value) => (wanted.has(value) ? (shared.next().value ?? value) : value));
}
