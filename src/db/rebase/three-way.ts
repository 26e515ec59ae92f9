/** A JSON value. */
export type Json = unknown;

export interface Merged {
  readonly value: Json;
  /** Where both sides changed the same thing: the keys down to it. The own side's value stands there. */
  readonly conflicts: readonly (readonly string[])[];
}

/**
 * Applies what `own` changed since `parent` to `theirs`. Where both changed the same thing, the own value
 * stands, as its migration runs last, and the place is listed.
 */
export function mergeThree(
  parent: Json,
  own: Json,
  theirs: Json,
  at: readonly string[] = [],
): Merged {
  if (isSame(own, parent) || isSame(own, theirs)) return { value: theirs, conflicts: [] };
  if (isSame(theirs, parent)) return { value: own, conflicts: [] };
  if (isObject(own) && isObject(theirs) && (isObject(parent) || parent === undefined)) {
    const from = isObject(parent) ? parent : {};
    const conflicts: (readonly string[])[] = [];
    const value: Record<string, Json> = {};
    for (const key of new Set([...Object.keys(theirs), ...Object.keys(own)])) {
      const merged = mergeThree(from[key], own[key], theirs[key], [...at, key]);
      conflicts.push(...merged.conflicts);
      if (merged.value !== undefined) value[key] = merged.value;
    }
    return { value, conflicts };
  }
  if (at[0] === "enums" && at.at(-1) === "values") {
    const values = mergeValues(parent, own, theirs);
    if (values !== undefined) return { value: values, conflicts: [] };
  }
  return { value: own, conflicts: [at] };
}

/**
 * The values of an enum after both sides added some: each own one goes before the value that it was put
 * before. Undefined where a side did anything but add.
 */
export function mergeValues(parent: Json, own: Json, theirs: Json): readonly string[] | undefined {
  const [before, ours, others] = [parent ?? [], own, theirs].map(textsOf);
  if (before === undefined || ours === undefined || others === undefined) return undefined;
  if (!isWithin(before, ours) || !isWithin(before, others)) return undefined;
  const values = [...others];
  for (const [place, value] of ours.entries()) {
    if (values.includes(value)) continue;
    const next = ours.slice(place + 1).find((later) => before.includes(later));
    const at = next === undefined ? values.length : values.indexOf(next);
    values.splice(at, 0, value);
  }
  return values;
}

function textsOf(value: Json): readonly string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === "string")
    ? value
    : undefined;
}

/** All of `few` are in `many`, in the same order. */
function isWithin(few: readonly string[], many: readonly string[]): boolean {
  const there = new Set(few);
  return many.filter((value) => there.has(value)).join("\0") === few.join("\0");
}

function isObject(value: Json): value is Readonly<Record<string, Json>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The order of keys means nothing. */
export function isSame(one: Json, other: Json): boolean {
  if (one === other) return true;
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, place) => isSame(item, other[place]));
  }
  if (!isObject(one) || !isObject(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => key in other && isSame(one[key], other[key]))
  );
}
