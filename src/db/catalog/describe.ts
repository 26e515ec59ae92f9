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

/**
 * The two sides of a difference, a line each: of definitions of several lines the first that
 * differs, with its number. Undefined: there is no such object there.
 */
export function expectedAndFound(difference: Difference): {
  readonly expected: string | undefined;
  readonly found: string | undefined;
} {
  switch (difference.change) {
    case "missing":
      return { expected: firstLine(difference.expected), found: undefined };
    case "unexpected":
      return { expected: undefined, found: firstLine(difference.found) };
    case "different": {
      const { expected, found } = difference;
      if (!expected.includes("\n") && !found.includes("\n")) return { expected, found };
      const { place, wanted, there } = firstDifferentLine(expected, found);
      const line = (text: string) => `line ${place + 1}: ${text}`;
      return { expected: line(wanted), found: line(there) };
    }
  }
}

function firstLine(definition = "it is there"): string {
  const [line = "", ...more] = definition.trim().split("\n");
  return more.length === 0 ? line : `${line} …`;
}

function inBrackets(definition: string | undefined): string {
  if (definition === undefined) return "";
  return definition.includes("\n") ? "" : ` (${definition.trim()})`;
}

function describeChange(expected: string, found: string): string {
  if (!expected.includes("\n") && !found.includes("\n")) {
    return `: expected ${expected.trim()}, found ${found.trim()}`;
  }
  const { place, wanted, there } = firstDifferentLine(expected, found);
  return `, line ${place + 1}: expected ${wanted}, found ${there}`;
}

function firstDifferentLine(expected: string, found: string) {
  const wanted = expected.split("\n");
  const there = found.split("\n");
  const index = wanted.findIndex((line, place) => line !== there[place]);
  // One is the beginning of the other.
  const place = index === -1 ? wanted.length : index;
  const line = (lines: readonly string[]) => lines[place]?.trim() ?? "the end";
  return { place, wanted: line(wanted), there: line(there) };
}
