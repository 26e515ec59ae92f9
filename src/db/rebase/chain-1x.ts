import { ancestry, keyOf, parseKey, schemaAt } from "../kit/snapshot-states.ts";
import { type Delta, endsOf, isNoSnapshot, type Row, type Snapshot } from "../kit/snapshots.ts";
import type { ChainedSnapshot, Move } from "./chain-0x.ts";
import type { OwnMigration, SnapshotText } from "./own.ts";
import { isSame, mergeValues } from "./three-way.ts";

type Altered = Extract<Delta, { op: "alter" | "rename" }>;

/**
 * Snapshots of 1.x, each what its migration changed: they follow the ends of the base, one after the
 * other. Ids stay. Lists of an enum's values are whole lists in them, and get the base's values.
 *
 * @param base the base's snapshots, in the order of their names
 */
export function chainDeltas(
  moves: readonly Move[],
  base: readonly SnapshotText[],
): readonly ChainedSnapshot[] {
  const all: Snapshot[] = base.map(({ snapshot }) => snapshot);
  let ends = endsOf(all);
  return moves.map(({ own, placed }) => {
    const path = placed.snapshotPath;
    if (own.snapshot === undefined)
      return { path, text: undefined, kind: "none", conflicts: [] } as const;
    const { snapshot, text: old } = own.snapshot;
    const changes = changesOf(snapshot, all);
    if (changes === undefined)
      return { path, text: undefined, kind: "lost", conflicts: [] } as const;
    const prevIds = ends.map(({ id }) => id);
    const { deltas, conflicts } = onto(changes, own, all, ends);
    const body =
      ends.length === 0 ? snapshot.body : ({ kind: "deltas", deltas } satisfies Snapshot["body"]);
    const moved: Snapshot = {
      ...snapshot,
      path,
      prevIds: ends.length === 0 ? snapshot.prevIds : prevIds,
      body,
    };
    all.push(moved);
    ends = [moved];
    const text = textOf(old, moved);
    return { path, text, kind: "derived", conflicts } as const;
  });
}

/** A first snapshot is a whole schema: behind another it makes what is not there. Undefined for format 8. */
function changesOf(
  { prevIds, body }: Snapshot,
  all: readonly Snapshot[],
): readonly Delta[] | undefined {
  if (body.kind === "deltas") return body.deltas;
  if (body.kind !== "rows" || !prevIds.every(isNoSnapshot)) return undefined;
  const there = new Set(
    all.flatMap((one) => (one.body.kind === "rows" ? one.body.rows.map(keyOf) : [])),
  );
  return body.rows
    .filter((row) => !there.has(keyOf(row)))
    .map((row) => ({ op: "create", row }) as const);
}

/** The deltas on what is there now, and what the base has changed of the same. */
function onto(
  deltas: readonly Delta[],
  own: OwnMigration,
  all: readonly Snapshot[],
  ends: readonly Snapshot[],
) {
  const { prevIds = [] } = own.snapshot?.snapshot ?? {};
  const beside = own.beside.map(({ snapshot }) => snapshot);
  // One that was moved already has its id in both: its parents are those beside it.
  const ids = new Set(beside.map(({ id }) => id));
  const known = [...all.filter(({ id }) => !ids.has(id)), ...beside];
  const byId = new Map(known.map((snapshot) => [snapshot.id, snapshot]));
  const seen = ancestry(prevIds, byId);
  const theirs = all
    .filter(({ id }) => !seen.has(id))
    .flatMap(({ body }) => (body.kind === "deltas" ? body.deltas : []));
  const parents = prevIds.flatMap((id) => byId.get(id) ?? []);
  const conflicts: string[] = [];
  const moved = deltas.map((delta) => {
    if (delta.op === "alter" && Array.isArray(delta.set.values)) {
      const values = enumValues(delta, parents, known, ends, all);
      if (values !== undefined) return { ...delta, set: { ...delta.set, values } };
    }
    if (theirs.some((other) => isClash(delta, other))) conflicts.push(named(delta));
    return delta;
  });
  return { deltas: moved, conflicts };
}

function enumValues(
  { key, set }: Altered,
  parents: readonly Snapshot[],
  known: readonly Snapshot[],
  ends: readonly Snapshot[],
  all: readonly Snapshot[],
): readonly string[] | undefined {
  const [type, path] = parseKey(key);
  if (type !== "enums") return undefined;
  const valuesIn = (of: readonly Snapshot[], within: readonly Snapshot[]) =>
    schemaAt(of, within).enums?.[path.join(".")]?.values;
  return mergeValues(valuesIn(parents, known), set.values, valuesIn(ends, all));
}

/** Whether both change one entity, and not in the same way or in different fields. */
function isClash(own: Delta, other: Delta): boolean {
  if (keyIn(own) !== keyIn(other)) return false;
  if (own.op === "create" || other.op === "create") return true;
  if (own.op === "drop" || other.op === "drop") return own.op !== other.op;
  const { set } = other;
  return Object.entries(own.set).some(
    ([field, value]) => field in set && !isSame(value, set[field]),
  );
}

function keyIn(delta: Delta): string {
  return delta.op === "create" ? keyOf(delta.row) : delta.key;
}

/** `column public.users.age`. */
function named(delta: Delta): string {
  // Of an entity that is not read here the key holds all of it.
  const [type, path]: readonly [string, unknown] = parseKey(keyIn(delta));
  const names = Array.isArray(path) ? path : [];
  return `${type.replace(/s$/, "")} ${names.map(String).join(".")}`.trim();
}

function textOf(old: string, { prevIds, body }: Snapshot): string {
  const { ddl: _ddl, deltas: _deltas, ...rest } = JSON.parse(old.replace(/^\uFEFF/, "")) as Row;
  const content =
    body.kind === "rows"
      ? { ddl: body.rows }
      : { deltas: body.kind === "deltas" ? body.deltas : [] };
  const text = JSON.stringify({ ...rest, prevIds, ...content }, null, 2);
  return isSame(JSON.parse(text), JSON.parse(old.replace(/^\uFEFF/, ""))) ? old : text;
}
