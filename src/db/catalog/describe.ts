import type { Difference } from "./types.ts";

/** A difference as a sentence; of a long definition, the first line that differs. */
export function describeDifference(difference: Difference): string {
  const object = `${difference.kind} ${difference.name}`;
  switch (difference.change) {
    case "missing":
      return `${object} is missing${inBrackets(difference.expected)}`;
    case "unexpected":
      return `${object} is not expected${inBrackets(difference.found)}`;
    case "different":
      return `${object}: ${difference.property}${describeChange(difference.expected, difference.found)}`;
  }
}

function inBrackets(definition: string | undefined): string {
  if (definition === undefined) return "";
  return definition.includes("\n") ? "" : ` (${definition.trim()})`;
}

function describeChange(expected: string, found: string): string {
  if (!expected.includes("\n") && !found.includes("\n")) {
    return `: expected ${expected.trim()}, found ${found.trim()}`;
  }
  const wanted = expected.split("\n");
  const there = found.split("\n");
  const index = wanted.findIndex((line, place) => line !== there[place]);
  // One is the beginning of the other.
  const place = index === -1 ? wanted.length : index;
  const line = (lines: readonly string[]) => lines[place]?.trim() ?? "the end";
  return `, line ${place + 1}: expected ${line(wanted)}, found ${line(there)}`;
}
