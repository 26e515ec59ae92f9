import { isNoSnapshot } from "../kit/snapshots.ts";
import type { OwnMigration, SnapshotText } from "./own.ts";
import type { Placed } from "./place.ts";
import { isSame, type Json, mergeThree } from "./three-way.ts";

/** The snapshot of a migration that was moved. */
export interface ChainedSnapshot {
  readonly path: string;
  /** Undefined where it has none (`none`), or where nothing tells what its migration changed (`lost`). */
  readonly text: string | undefined;
  readonly kind: "derived" | "none" | "lost";
  /** What both sides changed, as people name it: `table public.users, column age, type`. */
  readonly conflicts: readonly string[];
}

export interface Move {
  readonly own: OwnMigration;
  readonly placed: Placed;
}

type Fields = Readonly<Record<string, Json>>;

/**
 * Snapshots of 0.x, each the whole schema: what a migration changed in its own snapshot's parent is
 * applied to the snapshot that is now before it. Ids stay.
 *
 * @param base the base's snapshots, in the order of their names
 */
export function chainWholes(
  moves: readonly Move[],
  base: readonly SnapshotText[],
): readonly ChainedSnapshot[] {
  let before = base.at(-1)?.text;
  return moves.map(({ own, placed }) => {
    const path = placed.snapshotPath;
    if (own.snapshot === undefined)
      return { path, text: undefined, kind: "none", conflicts: [] } as const;
    const parent = parentOf(own, base);
    if (parent === undefined)
      return { path, text: undefined, kind: "lost", conflicts: [] } as const;
    const { id: prevId = NOTHING, ...newer } = fieldsOf(before);
    const { id, prevId: _old, ...changed } = fieldsOf(own.snapshot.text);
    const merged = mergeThree(bodyOf(parent), changed, bodyOf(newer));
    const body = before === undefined ? changed : (merged.value as Fields);
    const text = JSON.stringify({ id, prevId, ...withoutLinks(body) }, null, 2);
    const isKept = isSame(fieldsOf(text), fieldsOf(own.snapshot.text));
    before = isKept ? own.snapshot.text : text;
    const conflicts = [...new Set(merged.conflicts.map(named))];
    return { path, text: before, kind: "derived", conflicts } as const;
  });
}

const NOTHING = "00000000-0000-0000-0000-000000000000";

/** What its snapshot follows: beside it, or in the base. Nothing is an empty schema. */
function parentOf(own: OwnMigration, base: readonly SnapshotText[]): Fields | undefined {
  const [prev = ""] = own.snapshot?.snapshot.prevIds ?? [];
  if (isNoSnapshot(prev)) return {};
  const found = [...own.beside, ...base].find(({ snapshot }) => snapshot.id === prev);
  return found && fieldsOf(found.text);
}

function fieldsOf(text: string | undefined): Fields {
  return text === undefined ? {} : (JSON.parse(text.replace(/^\uFEFF/, "")) as Fields);
}

function bodyOf(snapshot: Fields): Fields {
  return withoutLinks(snapshot);
}

function withoutLinks({ id: _id, prevId: _prevId, ...body }: Fields): Fields {
  return body;
}

/** `["tables","public.users","columns","age","type"]` as `table public.users, column age, type`. */
function named(at: readonly string[]): string {
  return at
    .map((key, place) => (place % 2 === 0 ? (KINDS[key] ?? key) : key))
    .join(" ")
    .replace(/ (?=(?:column|index|foreign key|unique constraint|check|policy) )/g, ", ");
}

const KINDS: Readonly<Record<string, string>> = {
  tables: "table",
  enums: "enum",
  sequences: "sequence",
  views: "view",
  schemas: "schema",
  roles: "role",
  policies: "policy",
  columns: "column",
  indexes: "index",
  foreignKeys: "foreign key",
  uniqueConstraints: "unique constraint",
  compositePrimaryKeys: "primary key",
  checkConstraints: "check",
};
