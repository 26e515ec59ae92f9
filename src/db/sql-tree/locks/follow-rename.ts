import { columnsIn, nodesIn } from "../tree.ts";
import type { Scene, SceneTable } from "./scene.ts";

/** A column is called otherwise from now on, also in what was made of it. */
export function renameColumn(table: SceneTable, from: string, to: string, scene: Scene): void {
  const named = (columns: readonly string[]) => columns.map((name) => (name === from ? to : name));
  for (const one of [table, ...scene.descendants(table)]) {
    moved(one.columns, from, to);
    for (const kind of ["keys", "indexes"] as const) {
      for (const [key, columns] of one[kind]) one[kind].set(key, named(columns));
    }
    for (const [key, foreign] of one.foreignKeys) {
      one.foreignKeys.set(key, { ...foreign, columns: named(foreign.columns) });
    }
    for (const [key, check] of one.checks) {
      if (columnsIn(check.expression).includes(from)) {
        one.checks.set(key, { ...check, expression: renamed(check.expression, from, to) });
      }
    }
    for (const { reads } of scene.tables) {
      const columns = reads.get(one);
      if (columns?.has(from)) reads.set(one, new Set(named([...columns])));
    }
  }
}

/** A type or a domain is called otherwise, in each column that has it. */
export function renameTypeTo(to: string, scene: Scene, from: string): void {
  for (const { columns } of scene.tables) {
    for (const [name, column] of columns) {
      if (column.type?.name !== from) continue;
      columns.set(name, { ...column, type: { ...column.type, name: to } });
    }
  }
  if (scene.constrainedDomains.delete(from)) scene.constrainedDomains.add(to);
}

function moved<T>(map: Map<string, T>, from: string, to: string): void {
  const value = map.get(from);
  if (value === undefined) return;
  map.delete(from);
  map.set(to, value);
}

/** A constraint's index has its name. */
export function renameKey(table: SceneTable, from: string, to: string): void {
  for (const kind of ["checks", "foreignKeys", "keys", "indexes"] as const) {
    moved<unknown>(table[kind], from, to);
  }
  if (table.computed.delete(from)) table.computed.add(to);
}

function renamed<T>(tree: T, from: string, to: string): T {
  const copy = structuredClone(tree);
  for (const [field, body] of nodesIn(copy)) {
    if (field !== "ColumnRef") continue;
    const { fields = [] } = body as { fields?: { String?: { sval?: string } }[] };
    const last = fields.at(-1)?.String;
    if (last?.sval === from) last.sval = to;
  }
  return copy;
}
