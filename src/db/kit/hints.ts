import type { Answering } from "./answers.ts";
import { sameName } from "./full-names.ts";
import type { FullName, RenameKind } from "./model.ts";
import type { Unresolved } from "./script-1x.ts";
import { parseKey } from "./snapshot-states.ts";
import type { Delta } from "./snapshots.ts";

/** An answer, as drizzle-kit 1.x takes it. */
export type Hint =
  | { readonly type: "create"; readonly kind: string; readonly entity: FullName }
  | {
      readonly type: "rename";
      readonly kind: string;
      readonly from: FullName;
      readonly to: FullName;
    };

/**
 * Its kinds that can be renamed by an option, each with its name in snapshots. Of the others (indexes,
 * keys, checks) it asks too; like drizzle-kit 0.31, these are dropped and created.
 */
const ASKED: Readonly<Record<string, readonly [RenameKind, string]>> = {
  schema: ["schema", "schemas"],
  enum: ["enum", "enums"],
  sequence: ["sequence", "sequences"],
  role: ["role", "roles"],
  table: ["table", "tables"],
  column: ["column", "columns"],
  view: ["view", "views"],
  policy: ["policy", "policies"],
};

export function createHints(unresolved: readonly Unresolved[]): readonly Hint[] {
  return unresolved.map(({ kind, entity }): Hint => ({ type: "create", kind, entity }));
}

/**
 * Answers what drizzle-kit 1.x asks, in its order, up to the first kind in which something was renamed:
 * what it asks about next depends on that (the columns of a renamed table).
 *
 * @param deltas the changes if all of it were new, which say what is gone
 */
export function answerHints(
  unresolved: readonly Unresolved[],
  deltas: readonly Delta[],
  answering: Pick<Answering, "answer">,
): { readonly hints: readonly Hint[]; readonly renames: boolean } {
  const gone = deltas.flatMap((delta) => (delta.op === "drop" ? [parseKey(delta.key)] : []));
  const hints: Hint[] = [];
  let renamed: string | undefined;
  for (const { kind, entity } of unresolved) {
    if (renamed !== undefined && renamed !== kind) break;
    const from = pick({ kind, entity }, gone, hints, answering);
    if (from === undefined) hints.push({ type: "create", kind, entity });
    else hints.push({ type: "rename", kind, from, to: entity });
    if (from !== undefined) renamed = kind;
  }
  return { hints, renames: renamed !== undefined };
}

/** What it was before; undefined where it is new. */
function pick(
  { kind, entity }: Pick<Unresolved, "kind" | "entity">,
  gone: readonly (readonly [string, FullName])[],
  hints: readonly Hint[],
  answering: Pick<Answering, "answer">,
): FullName | undefined {
  const [known, type] = ASKED[kind] ?? [];
  if (known === undefined) return undefined;
  const isTaken = (name: FullName) =>
    hints.some((hint) => hint.type === "rename" && hint.kind === kind && sameName(hint.from, name));
  const candidates = gone
    .filter(([goneType, name]) => goneType === type && isBeside(name, entity) && !isTaken(name))
    .map(([, name]) => name);
  if (candidates.length === 0) return undefined;
  const answer = answering.answer({ kind: known, created: entity, candidates });
  return answer === "prompt" ? undefined : candidates[answer - 1];
}

/** What lies in a table is renamed only there; anything else may move too. */
function isBeside(name: FullName, entity: FullName): boolean {
  return entity.length < 3 || sameName(name.slice(0, 2), entity.slice(0, 2));
}
