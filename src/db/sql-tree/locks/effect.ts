import type { RangeVar } from "libpg-query";
import { type LockMode, rankOf } from "./lock-modes.ts";
import type { Scene, SceneTable } from "./scene.ts";

/**
 * What a statement does to a table while it holds its lock, and so for how long in kind: `instant` whatever the size;
 * `rows`: as many as it reads or writes by its WHERE; `scan`: all rows are read; `rewrite`: all are written anew.
 */
export const WORKS = ["instant", "rows", "scan", "rewrite"] as const;

export type Work = (typeof WORKS)[number];

/** A lock that a statement takes on a table. */
export interface Effect {
  readonly mode: LockMode;
  readonly table: SceneTable;
  readonly work: Work;
  /** What to do instead, or why it is short. */
  readonly hint: string;
}

export const BRIEF = "It is held until the transaction ends: keep the file small.";
export const SCANS = "The whole table is read under it.";
export const REWRITES = "The whole table is rewritten under it.";

const HINTS: Readonly<Record<Work, string>> = {
  instant: BRIEF,
  rows: BRIEF,
  scan: SCANS,
  rewrite: REWRITES,
};

/** What ALTER TABLE is about. */
export interface Altered {
  readonly scene: Scene;
  readonly table: SceneTable;
  /** It, and its partitions and children where the statement is about them too. */
  readonly all: readonly SceneTable[];
  /** Constraints that the statement drops. */
  readonly dropped: ReadonlySet<string>;
}

/** A lock on each of some tables. */
export function lock(
  mode: LockMode,
  tables: SceneTable | Iterable<SceneTable>,
  work: Work = "instant",
  instead = "",
): readonly Effect[] {
  const hint = instead === "" ? HINTS[work] : `${HINTS[work]} ${instead}`;
  const each = Symbol.iterator in tables ? [...tables] : [tables];
  return each.map((table) => ({ mode, table, work, hint }));
}

/** A table, and unless it says ONLY its partitions and children. */
export function family(scene: Scene, relation: RangeVar | undefined): readonly SceneTable[] {
  const table = scene.tableOf(relation);
  return relation?.inh ? [table, ...scene.descendants(table)] : [table];
}

/** Of the locks on each table the strongest, with the longest work and its hint. */
export function strongest(effects: readonly Effect[]): readonly Effect[] {
  const byTable = new Map<SceneTable, Effect>();
  for (const effect of effects) {
    const known = byTable.get(effect.table);
    byTable.set(effect.table, known === undefined ? effect : both(known, effect));
  }
  return [...byTable.values()];
}

function both(one: Effect, other: Effect): Effect {
  const mode = rankOf(one.mode) >= rankOf(other.mode) ? one.mode : other.mode;
  const longer = WORKS.indexOf(other.work) > WORKS.indexOf(one.work) ? other : one;
  return { mode, table: one.table, work: longer.work, hint: longer.hint };
}
