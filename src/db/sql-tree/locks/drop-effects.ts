import type { DropStmt, RenameStmt, TruncateStmt } from "libpg-query";
import { pathOf, pathOfTable, pathOfTexts, shortName } from "../tree.ts";
import { BRIEF, type Effect, family, lock } from "./effect.ts";
import type { Scene, SceneTable } from "./scene.ts";

const AE = "ACCESS EXCLUSIVE";
const SUE = "SHARE UPDATE EXCLUSIVE";

export function dropEffects(
  { removeType, objects = [], concurrent, behavior }: DropStmt,
  scene: Scene,
): readonly Effect[] {
  const cascades = behavior === "DROP_CASCADE";
  return objects.flatMap((object) => {
    const path = pathOf(object);
    switch (removeType) {
      case "OBJECT_TABLE":
      case "OBJECT_FOREIGN_TABLE":
        return lock(AE, goneWith(scene.table(path), scene, cascades));
      case "OBJECT_VIEW":
      case "OBJECT_MATVIEW": {
        const view = scene.table(path);
        return lock(AE, cascades ? [view, ...scene.viewsOn(view)] : view);
      }
      case "OBJECT_TRIGGER": {
        const table = scene.table(path.slice(0, -1));
        return lock(AE, [table, ...(table.kind === "partitioned" ? scene.descendants(table) : [])]);
      }
      case "OBJECT_POLICY":
      case "OBJECT_RULE":
        return lock(AE, scene.table(path.slice(0, -1)));
      case "OBJECT_INDEX": {
        const table =
          scene.tableOfIndex(path) ?? scene.table([`the table of index ${shortName(path)}`]);
        if (concurrent) return lock(SUE, table);
        return lock(
          AE,
          [table, ...(table.kind === "partitioned" ? scene.descendants(table) : [])],
          "instant",
          "DROP INDEX CONCURRENTLY lets others pass.",
        );
      }
      case "OBJECT_SCHEMA": {
        // A schema is a text.
        const [schema] = "String" in object ? pathOfTexts([object]) : path;
        const tables = [...scene.tables].filter((table) => table.schema === schema);
        return lock(AE, cascades ? tables.flatMap((table) => goneWith(table, scene, true)) : []);
      }
      default:
        return [];
    }
  });
}

/** What DROP TABLE locks: a foreign key has triggers at both of its ends, a partition is in its parent's list. */
function goneWith(table: SceneTable, scene: Scene, cascades: boolean): readonly SceneTable[] {
  const all = table.kind === "partitioned" || cascades ? scene.descendants(table) : [];
  const parents = [...table.parents].filter(({ kind }) => kind === "partitioned");
  const siblings = parents.flatMap((parent) => scene.defaultPartition(parent) ?? []);
  const referred = [table, ...all].flatMap((one) =>
    [...one.foreignKeys.values()].flatMap(({ to, isInherited }) => (isInherited ? [] : to)),
  );
  const dependent = cascades ? [...scene.referrers(table), ...scene.viewsOn(table)] : [];
  return [table, ...all, ...parents, ...siblings, ...referred, ...dependent];
}

export function truncateEffects(
  { relations = [], behavior }: TruncateStmt,
  scene: Scene,
): readonly Effect[] {
  const named = relations.flatMap((node) =>
    "RangeVar" in node ? family(scene, node.RangeVar) : [],
  );
  const all = new Set(named);
  if (behavior === "DROP_CASCADE") {
    // A set's walk comes to what is added on the way.
    for (const table of all) {
      for (const other of scene.referrers(table)) {
        for (const one of [other, ...scene.descendants(other)]) all.add(one);
      }
    }
  }
  return [...all].map((table) => ({ mode: AE, table, work: "instant", hint: BRIEF }));
}

export function renameEffects(
  { renameType, relationType, relation }: RenameStmt,
  scene: Scene,
): readonly Effect[] {
  switch (renameType) {
    case "OBJECT_TABLE":
    case "OBJECT_VIEW":
    case "OBJECT_MATVIEW":
    case "OBJECT_FOREIGN_TABLE": {
      // ALTER TABLE renames an index too, under a stronger lock; neither locks the index's table.
      const isIndex = scene.find(pathOfTable(relation ?? {})) === undefined;
      const owner = scene.tableOfIndex(pathOfTable(relation ?? {}));
      return isIndex && owner !== undefined ? [] : lock(AE, scene.tableOf(relation));
    }
    case "OBJECT_COLUMN":
    case "OBJECT_TABCONSTRAINT":
      return relationType === "OBJECT_TYPE" ? [] : lock(AE, family(scene, relation));
    case "OBJECT_TRIGGER":
    case "OBJECT_POLICY":
    case "OBJECT_RULE":
      return lock(AE, scene.tableOf(relation));
    default:
      return [];
  }
}
