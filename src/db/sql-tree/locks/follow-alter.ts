import type { AlterTableCmd, Constraint, Node } from "libpg-query";
import { columnsIn, pathOfTable, pathOfTexts } from "../tree.ts";
import { constraintsOf } from "./constraint-effects.ts";
import type { Scene, SceneTable } from "./scene.ts";
import { columnTypeOf, SERIALS } from "./type-change.ts";

export function addElement(table: SceneTable, element: Node, scene: Scene): void {
  if ("Constraint" in element) addConstraint(table, element.Constraint, scene);
  if (!("ColumnDef" in element)) return;
  const { colname = "", typeName, collClause } = element.ColumnDef;
  const constraints = constraintsOf(element.ColumnDef);
  const notNull = constraints.some(
    ({ contype = "" }) =>
      contype === "CONSTR_NOTNULL" || contype === "CONSTR_PRIMARY" || contype === "CONSTR_IDENTITY",
  );
  const type = columnTypeOf(typeName);
  const isSerial = SERIALS.has(type?.name ?? "");
  const isCollated = collClause !== undefined;
  table.columns.set(colname, { type, notNull: notNull || isSerial, isCollated });
  for (const constraint of constraints) addConstraint(table, constraint, scene, colname);
}

function addConstraint(
  table: SceneTable,
  constraint: Constraint,
  scene: Scene,
  column?: string,
): void {
  const { contype, skip_validation, raw_expr, pktable, indexname } = constraint;
  const texts = (nodes: readonly Node[] | undefined) =>
    column === undefined ? pathOfTexts(nodes) : [column];
  switch (contype) {
    case "CONSTR_CHECK": {
      const name = constraint.conname ?? unused(table.checks, `${table.name}_check`);
      table.checks.set(name, { isValid: !skip_validation, expression: raw_expr });
      return;
    }
    case "CONSTR_FOREIGN": {
      const columns = texts(constraint.fk_attrs);
      const name = constraint.conname ?? `${table.name}_${columns.join("_")}_fkey`;
      table.foreignKeys.set(name, { columns, to: scene.tableOf(pktable), isInherited: false });
      return;
    }
    case "CONSTR_NOTNULL":
      if (column === undefined && !skip_validation) {
        for (const name of pathOfTexts(constraint.keys)) setNotNull(table, name, true);
      }
      return;
    case "CONSTR_PRIMARY":
    case "CONSTR_UNIQUE":
    case "CONSTR_EXCLUSION": {
      const columns = table.indexes.get(indexname ?? "") ?? texts(constraint.keys);
      const ending = contype === "CONSTR_PRIMARY" ? "pkey" : `${columns.join("_")}_key`;
      const name = constraint.conname ?? indexname ?? `${table.name}_${ending}`;
      if (indexname !== undefined) table.indexes.delete(indexname);
      table.keys.set(name, columns);
      table.indexes.set(name, columns);
      if (contype === "CONSTR_PRIMARY") for (const one of columns) setNotNull(table, one, true);
    }
  }
}

export function unused(map: ReadonlyMap<string, unknown>, name: string): string {
  let tried = name;
  for (let n = 1; map.has(tried); n += 1) tried = `${name}${n}`;
  return tried;
}

function setNotNull(table: SceneTable, column: string, notNull: boolean): void {
  table.columns.set(column, { type: undefined, ...table.columns.get(column), notNull });
}

/** Columns and constraints are those of its partitions and children too. */
export function alterFamily(
  table: SceneTable,
  command: AlterTableCmd,
  scene: Scene,
  isWhole: boolean,
): void {
  const all = isWhole && !OF_ONE.has(command.subtype ?? "") ? scene.descendants(table) : [];
  for (const one of [table, ...all]) alter(one, command, scene);
}

const OF_ONE: ReadonlySet<string> = new Set([
  "AT_AttachPartition",
  "AT_DetachPartition",
  "AT_AddInherit",
  "AT_DropInherit",
  "AT_SetLogged",
  "AT_SetUnLogged",
]);

function alter(table: SceneTable, command: AlterTableCmd, scene: Scene): void {
  const { subtype, name = "", def } = command;
  const cascades = command.behavior === "DROP_CASCADE";
  const partition =
    def && "PartitionCmd" in def
      ? scene.table(pathOfTable(def.PartitionCmd.name ?? {}))
      : undefined;
  switch (subtype) {
    case "AT_AddColumn":
    case "AT_AddConstraint": {
      const column = def && "ColumnDef" in def ? def.ColumnDef.colname : undefined;
      const isThere = command.missing_ok && table.columns.has(column ?? "");
      if (def !== undefined && !isThere) addElement(table, def, scene);
      return;
    }
    case "AT_DropColumn":
      table.columns.delete(name);
      for (const [key, { expression }] of table.checks) {
        if (columnsIn(expression).includes(name)) table.checks.delete(key);
      }
      for (const kind of ["foreignKeys", "keys", "indexes"] as const) {
        for (const [key, value] of table[kind]) {
          const columns = "columns" in value ? value.columns : value;
          if (columns.includes(name)) goneWithKey(table, key, scene, cascades);
        }
      }
      if (cascades) {
        for (const view of scene.viewsOn(table, name)) scene.remove(view);
      }
      return;
    case "AT_DropConstraint":
      goneWithKey(table, name, scene, cascades);
      return;
    case "AT_ValidateConstraint": {
      const check = table.checks.get(name);
      if (check !== undefined) table.checks.set(name, { ...check, isValid: true });
      return;
    }
    case "AT_SetNotNull":
    case "AT_DropNotNull":
      setNotNull(table, name, subtype === "AT_SetNotNull");
      return;
    case "AT_AlterColumnType": {
      const { typeName, collClause } = def && "ColumnDef" in def ? def.ColumnDef : {};
      const notNull = table.columns.get(name)?.notNull ?? false;
      const isCollated = collClause !== undefined;
      table.columns.set(name, { type: columnTypeOf(typeName), notNull, isCollated });
      return;
    }
    case "AT_SetLogged":
    case "AT_SetUnLogged":
      table.isUnlogged = subtype === "AT_SetUnLogged";
      return;
    case "AT_AttachPartition":
      if (partition !== undefined) {
        partition.parents.add(table);
        const bound = def && "PartitionCmd" in def ? def.PartitionCmd.bound : undefined;
        partition.isDefaultPartition = bound?.is_default === true;
      }
      return;
    case "AT_AddInherit":
      if (def && "RangeVar" in def) table.parents.add(scene.tableOf(def.RangeVar));
      return;
    case "AT_DropInherit":
      if (def && "RangeVar" in def) table.parents.delete(scene.tableOf(def.RangeVar));
      return;
    case "AT_DetachPartition":
      partition?.parents.delete(table);
  }
}

/** A constraint or an index goes; with CASCADE, the foreign keys that need a key. Without it there are none. */
function goneWithKey(table: SceneTable, name: string, scene: Scene, cascades: boolean): void {
  if (cascades && table.keys.has(name)) {
    for (const other of scene.referrers(table)) {
      for (const [key, { to }] of other.foreignKeys) {
        if (to === table) other.foreignKeys.delete(key);
      }
    }
  }
  for (const kind of ["checks", "foreignKeys", "keys", "indexes"] as const)
    table[kind].delete(name);
}
