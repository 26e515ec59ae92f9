import type { MadeObject } from "../repeatable-types.ts";
import type { Tag } from "../types.ts";
import type { FoundObject } from "./dependents.ts";
import { labelOf } from "./made-objects.ts";
import type { ParsedRepeatable } from "./parse-repeatables.ts";
import { canBeRemade } from "./remake.ts";
import type { Unit } from "./unit-message.ts";
import type { UnitFailure } from "./unit-run.ts";

/** Something that is in the way of a statement that makes it, or drops it. */
export interface Target {
  readonly made: MadeObject;
  /** The file drops it itself: only what depends on it is dropped for it. */
  readonly isDroppedByFile: boolean;
}

/**
 * What the server says where `create or replace` cannot replace, or a name is taken: columns of a view, what a
 * function returns, another kind; a view, a function, a trigger or a policy that is there.
 */
const IN_THE_WAY: ReadonlySet<string> = new Set([
  "42P16",
  "42P13",
  "42809",
  "42P07",
  "42723",
  "42710",
]);
/** Something depends on what is dropped. */
const STILL_NEEDED = "2BP01";

/** Of the server's code, where it says that of a function's body instead: nothing is in the way. */
const OF_A_BODY = /^check_sql_(?:fn|stmt)/;

export function canBeReplaced({ error, stage }: UnitFailure): boolean {
  if (OF_A_BODY.test(error.routine)) return false;
  return stage.kind === "statement" && (IN_THE_WAY.has(error.code) || error.code === STILL_NEEDED);
}

/** What the statement that failed makes or drops, and is not dropped for it yet. */
export function targetsOf(
  { message, stage, error }: UnitFailure,
  known: readonly Target[],
): readonly Target[] {
  const placed = stage.kind === "statement" ? message.statements[stage.index] : undefined;
  if (placed === undefined) return [];
  const part = message.partOf(stage.kind === "statement" ? stage.index : -1);
  const isDroppedByFile = error.code === STILL_NEEDED;
  const objects = (isDroppedByFile ? part?.dropsBy : part?.makesBy)?.[placed.index] ?? [];
  const labels = new Set(known.map(({ made }) => labelOf(made)));
  return objects
    .filter((made) => made.kind !== "indexes" && !isTable(made) && !labels.has(labelOf(made)))
    .map((made) => ({ made, isDroppedByFile }));
}

/** It has rows: neither it nor what stands on it is dropped for a file. */
function isTable(made: MadeObject): boolean {
  return made.kind === "relation" && made.form === "table";
}

/**
 * The unit in which the targets are dropped and made again, with all that depends on them.
 *
 * @returns what is in the way, because no repeatable makes it; undefined where there is nothing to drop
 */
export function unitOf(
  all: readonly ParsedRepeatable[],
  before: Unit,
  found: readonly FoundObject[],
  targets: readonly Target[],
): { readonly unit: Unit } | { readonly inTheWay: readonly FoundObject[] } | undefined {
  const isKept = ({ target }: FoundObject) =>
    target !== null && targets[target]?.isDroppedByFile === true;
  const remade = found.filter((object) => !isKept(object));
  const identities = new Set(remade.map(({ identity }) => identity));
  const isLeft = ({ maker, table }: FoundObject) =>
    maker === null || (maker.isFormer && !identities.has(table ?? ""));
  const inTheWay = remade.filter((object) => isLeft(object) || !canBeRemade(object));
  if (inTheWay.length > 0) {
    // What is asked for is no view and no routine: the server's own error says more.
    return inTheWay.some(({ target }) => target !== null) ? undefined : { inTheWay };
  }
  if (remade.length === 0) return undefined;
  const tags = new Set<Tag | undefined>([
    ...before.parts.map(({ tag }) => tag),
    ...remade.map(({ maker }) => maker?.tag),
  ]);
  return { unit: { parts: all.filter(({ tag }) => tags.has(tag)), remade } };
}
