import type { Node } from "libpg-query";
import { effectsOf } from "./locks/effects.ts";
import { follow } from "./locks/follow.ts";
import { stopsWrites } from "./locks/lock-modes.ts";
import { Scene } from "./locks/scene.ts";
import { shortName } from "./tree.ts";

/** A lock that a statement takes on a table, strong enough to stop others' writes. */
export interface StrongLock {
  /** As LOCK TABLE names it: `ACCESS EXCLUSIVE`. */
  readonly mode: string;
  /** `users`, `app.users`; of an index, `the table of index users_idx`. */
  readonly table: string;
  /** What to do instead, or why it is short. */
  readonly hint: string;
}

/**
 * The strong locks of each statement of a file, but for those on tables that the file makes: as far as the file alone
 * tells, whatever the database.
 */
export function strongLocks(trees: readonly Node[]): readonly (readonly StrongLock[])[] {
  const scene = new Scene();
  return trees.map((tree) => {
    const strong = effectsOf(tree, scene).filter(
      ({ mode, table }) => stopsWrites(mode) && !table.isNew,
    );
    follow(tree, scene);
    return strong.map(({ mode, table: { schema, name }, hint }) => ({
      mode,
      table: shortName(schema === undefined ? [name] : [schema, name]),
      hint,
    }));
  });
}
