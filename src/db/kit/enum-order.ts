import type { FullName } from "./types.ts";

/** An enum whose values the schema lists in another order than the newest snapshot. */
export interface ReorderedEnum {
  readonly name: FullName;
  /** As the snapshot has them. */
  readonly values: readonly string[];
  /** As the schema has them. */
  readonly wanted: readonly string[];
}

interface Enums {
  readonly enums?: Readonly<
    Record<string, { readonly name: string; readonly schema?: string; values: readonly string[] }>
  >;
}

/** @param before text of a snapshot, and of the one that comes after it */
export function reorderedEnums(
  before: string | undefined,
  after: string,
): readonly ReorderedEnum[] {
  if (before === undefined) return [];
  const old = (JSON.parse(before) as Enums).enums ?? {};
  return Object.entries((JSON.parse(after) as Enums).enums ?? {}).flatMap(([key, now]) => {
    const values = old[key]?.values ?? [];
    if (inOrderOf(values, now.values).join("\0") === values.join("\0")) return [];
    return { name: [now.schema || "public", now.name], values, wanted: now.values };
  });
}

/** The snapshot as if it had the order of the other: drizzle-kit would drop and make the types anew. */
export function withOrderOf(before: string, after: string): string {
  const snapshot = JSON.parse(before) as Enums;
  const now = (JSON.parse(after) as Enums).enums ?? {};
  for (const [key, type] of Object.entries(snapshot.enums ?? {})) {
    type.values = inOrderOf(type.values, now[key]?.values ?? []);
  }
  return JSON.stringify(snapshot);
}

/** Values that the other does not have keep their places. */
function inOrderOf(values: readonly string[], other: readonly string[]): readonly string[] {
  const wanted = new Set(other);
  const there = new Set(values);
  const shared = other.filter((value) => there.has(value))[Symbol.iterator]();
  return values.map((value) => (wanted.has(value) ? (shared.next().value ?? value) : value));
}
