import type { Node, RangeVar } from "libpg-query";
import { madeBy } from "./made.ts";
import {
  type Path,
  pathOf,
  pathOfTable,
  pathOfTexts,
  type Readers,
  readNode,
  shortName,
  treesOf,
} from "./tree.ts";

/** What a statement does to an object that another migration may change too. */
export interface Touch {
  readonly kind: "table" | "column" | "type" | "other";
  /** `users`, `app.users`, `users.name`. */
  readonly name: string;
  readonly how: "makes" | "changes" | "renames" | "drops";
  /** Number of the statement in its file, from 1. */
  readonly statement: number;
}

/** What each statement of a file makes, changes, renames or drops. DO blocks and functions are not seen. */
export async function touchesOf(sql: string): Promise<readonly Touch[]> {
  return (await treesOf(sql)).flatMap((tree, place) =>
    [...(readNode(tree, READERS) ?? []), ...made(tree)].map((touch) => ({
      ...touch,
      statement: place + 1,
    })),
  );
}

/** Pairs of which one may undo or break the other: both change one thing, or one takes it away. */
export function overlapsOf(
  own: readonly Touch[],
  theirs: readonly Touch[],
): readonly (readonly [own: Touch, theirs: Touch])[] {
  return own.flatMap((mine) =>
    theirs.filter((other) => isOverlap(mine, other)).map((other) => [mine, other] as const),
  );
}

function isOverlap(one: Touch, other: Touch): boolean {
  if (one.name === other.name) {
    // Who changes a table in its parts says so of each.
    return one.kind !== "table" || isTaking(one) || isTaking(other) || one.how === "makes";
  }
  return isWithin(one, other) || isWithin(other, one);
}

/** A part of a table that goes, or gets another name. */
function isWithin(part: Touch, whole: Touch): boolean {
  return isTaking(whole) && part.name.startsWith(`${whole.name}.`);
}

function isTaking({ how }: Touch): boolean {
  return how === "renames" || how === "drops";
}

type Found = Omit<Touch, "statement">;

function made(tree: Node): readonly Found[] {
  return madeBy(tree).map(({ kind, path }) => ({
    kind:
      kind === "table" ? "table" : kind === "enum" ? "type" : path.length > 2 ? "column" : "other",
    name: kind === "schema" || kind === "role" ? `${kind} ${path.join()}` : shortName(path),
    how: "makes",
  }));
}

function touch(kind: Touch["kind"], path: Path, how: Touch["how"]): readonly Found[] {
  return path.length === 0 ? [] : [{ kind, name: shortName(path), how }];
}

const DROPPED: Readonly<Record<string, Touch["kind"]>> = {
  OBJECT_TABLE: "table",
  OBJECT_VIEW: "other",
  OBJECT_MATVIEW: "other",
  OBJECT_SEQUENCE: "other",
  OBJECT_INDEX: "other",
  OBJECT_TYPE: "type",
  OBJECT_POLICY: "other",
};

const READERS: Readers<readonly Found[]> = {
  AlterTableStmt: ({ relation, cmds = [] }) =>
    cmds.flatMap((command) =>
      "AlterTableCmd" in command
        ? changed(relation, command.AlterTableCmd.subtype, command.AlterTableCmd.name)
        : [],
    ),
  RenameStmt: ({ renameType = "", relation, object, subname }) => {
    const path = relation === undefined ? pathOf(object) : pathOfTable(relation);
    if (renameType === "OBJECT_COLUMN") return touch("column", [...path, subname ?? ""], "renames");
    return touch(renameType === "OBJECT_TABLE" ? "table" : "other", path, "renames");
  },
  AlterObjectSchemaStmt: ({ relation, object }) =>
    touch("table", relation === undefined ? pathOf(object) : pathOfTable(relation), "renames"),
  AlterEnumStmt: ({ typeName }) => touch("type", pathOfTexts(typeName), "changes"),
  DropStmt: ({ removeType = "", objects = [] }) => {
    const kind = DROPPED[removeType];
    return kind === undefined
      ? []
      : objects.flatMap((object) => touch(kind, typePath(object), "drops"));
  },
};

/** A dropped type is a name of a type, not a list. */
function typePath(object: Node): Path {
  return "TypeName" in object ? pathOfTexts(object.TypeName.names) : pathOf(object);
}

function changed(
  table: RangeVar | undefined,
  subtype: string | undefined,
  name: string | undefined,
): readonly Found[] {
  const path = table === undefined ? [] : pathOfTable(table);
  if (subtype === undefined || path.length === 0) return [];
  // What it adds is made, and read as such; the table stays as it is for others.
  if (name === undefined) return touch("table", path, "changes");
  const how = subtype.startsWith("AT_Drop") && !KEEPS.has(subtype) ? "drops" : "changes";
  return touch("column", [...path, name], how);
}

/** They take something from a column, which stays. */
const KEEPS: ReadonlySet<string> = new Set([
  "AT_DropNotNull",
  "AT_DropExpression",
  "AT_DropIdentity",
]);
