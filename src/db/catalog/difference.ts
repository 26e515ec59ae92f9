/** The kind of an object, as SQL names it: `table`, `column`, `materialized view`, `function`. */
export type ObjectKind = string;

interface DifferenceParts {
  readonly kind: ObjectKind;
  /** Qualified, quoted where SQL needs it: `public.users.name`, `public.add(integer, integer)`. */
  readonly name: string;
  /** Its schema and table, named as in SQL, outermost first: `["public", "public.users"]`. */
  readonly within: readonly string[];
}

/** One way in which the actual catalog differs from the expected one. */
export type Difference = DifferenceParts &
  (
    | {
        readonly change: "missing";
        /** Its definition, if that is a few lines at most. */
        readonly expected: string | undefined;
      }
    | { readonly change: "unexpected"; readonly found: string | undefined }
    | {
        readonly change: "different";
        /** The property that differs: `type`, `definition`, `owner`, `grants to app`. */
        readonly property: string;
        /** `none` if it has none. */
        readonly expected: string;
        readonly found: string;
        /** Both have the same values in a different order: those of an enum. */
        readonly isOrderAlone?: true;
      }
  );

/** A difference as a sentence; of a long definition, the first line that differs. */
export function describeDifference(difference: Difference): string {
  const object = `${difference.kind} ${difference.name}`;
  switch (difference.change) {
    case "missing":
      return `${object} is missing${inBrackets(difference.expected)}`;
    case "unexpected":
      return `${object} is not expected${inBrackets(difference.found)}`;
    case "different": {
      const { line, expected, found } = whereDifferent(difference);
      const place = line === undefined ? "" : `, line ${line}`;
      return `${object}: ${difference.property}${place}: expected ${expected.trim()}, found ${found.trim()}`;
    }
  }
}

/**
 * The two sides of a difference, each on one line: of a definition of several lines, the first that
 * differs, with its number. Undefined if that side has no such object.
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
      const { line, expected, found } = whereDifferent(difference);
      const placed = (text: string) => (line === undefined ? text : `line ${line}: ${text}`);
      return { expected: placed(expected), found: placed(found) };
    }
  }
}

function firstLine(definition = "it is there"): string {
  const [line = "", ...more] = definition.trim().split("\n");
  return more.length === 0 ? line : `${line} …`;
}

function inBrackets(definition: string | undefined): string {
  if (definition === undefined || definition.includes("\n")) return "";
  return ` (${definition.trim()})`;
}

interface Sides {
  readonly expected: string;
  readonly found: string;
}

/** Both sides; of those with several lines, the first line that differs, counted from 1. */
function whereDifferent({ expected, found }: Sides): Sides & { readonly line?: number } {
  const wanted = expected.split("\n");
  const there = found.split("\n");
  if (wanted.length === 1 && there.length === 1) return { expected, found };
  const index = wanted.findIndex((line, place) => line !== there[place]);
  // One is the beginning of the other.
  const place = index === -1 ? wanted.length : index;
  const line = (lines: readonly string[]) => lines[place]?.trim() ?? "the end";
  return { line: place + 1, expected: line(wanted), found: line(there) };
}
