import type { AlterTableCmd, Constraint, Node } from "libpg-query";
import { type Path, pathOf, pathOfTable, pathOfTexts, type Readers, readNode } from "../tree.ts";
import { constraintsOf } from "./constraint-effects.ts";
import type { Scene, SceneTable } from "./scene.ts";
import { columnTypeOf } from "./type-change.ts";

/** Changes a scene as a statement changes the database, as far as later statements' locks depend on it. */
export function follow(tree: Node, scene: Scene): void {
  readNode(tree, readersOf(scene));
}

function readersOf(scene: Scene): Readers<void> {
  const made = (path: Path, kind: SceneTable["kind"]) =>
    scene.add({
      schema: path.length > 1 ? path.at(-2) : scene.searchPath[0],
      name: path.at(-1) ?? "",
      kind,
      isNew: true,
    });
  return {
    CreateStmt: ({
      relation = {},
      tableElts = [],
      inhRelations = [],
      partspec,
      partbound,
      if_not_exists,
    }) => {
      if (if_not_exists && scene.find(pathOfTable(relation)) !== undefined) return;
      const table = made(pathOfTable(relation), partspec === undefined ? "table" : "partitioned");
      for (const node of inhRelations) table.parents.add(scene.table(pathOf(node)));
      table.isDefaultPartition = partbound?.is_default === true;
      for (const element of tableElts) addElement(table, element, scene);
    },
    CreateTableAsStmt: ({ into, objtype }) => {
      if (into?.rel)
        made(pathOfTable(into.rel), objtype === "OBJECT_MATVIEW" ? "matview" : "table");
    },
    ViewStmt: ({ view = {} }) => {
      if (scene.find(pathOfTable(view)) === undefined) made(pathOfTable(view), "view");
    },
    IndexStmt: ({ relation, idxname, indexParams = [] }) => {
      if (idxname === undefined) return;
      const columns = indexParams.flatMap((node) =>
        "IndexElem" in node ? (node.IndexElem.name ?? []) : [],
      );
      scene.tableOf(relation).indexes.set(idxname, columns);
    },
    AlterTableStmt: ({ relation, cmds = [] }) => {
      const table = scene.find(pathOfTable(relation ?? {}));
      if (table === undefined) return;
      for (const node of cmds) if ("AlterTableCmd" in node) alter(table, node.AlterTableCmd, scene);
    },
    RenameStmt: ({ renameType, relation, subname = "", newname = "" }) => {
      const path = pathOfTable(relation ?? {});
      const table = scene.find(path);
      if (renameType === "OBJECT_INDEX" || table === undefined) {
        const owner = scene.tableOfIndex(path);
        if (owner !== undefined) moved(owner.indexes, path.at(-1) ?? "", newname);
        return;
      }
      if (renameType === "OBJECT_COLUMN") moved(table.columns, subname, newname);
      else if (renameType === "OBJECT_TABCONSTRAINT") {
        for (const kind of ["checks", "foreignKeys", "keys", "indexes"] as const) {
          moved<unknown>(table[kind], subname, newname);
        }
      } else if (OF_TABLES.has(renameType ?? "")) table.name = newname;
    },
    AlterObjectSchemaStmt: ({ relation, newschema }) => {
      const table = scene.find(pathOfTable(relation ?? {}));
      if (table !== undefined) table.schema = newschema;
    },
    DropStmt: ({ removeType, objects = [], behavior }) => {
      for (const object of objects) {
        const path = pathOf(object);
        if (removeType === "OBJECT_INDEX")
          scene.tableOfIndex(path)?.indexes.delete(path.at(-1) ?? "");
        const table = OF_TABLES.has(removeType ?? "") ? scene.find(path) : undefined;
        if (table === undefined) continue;
        const views = behavior === "DROP_CASCADE" ? scene.viewsOn(table) : [];
        for (const gone of [...scene.descendants(table), ...views, table]) scene.remove(gone);
      }
    },
    CreateFunctionStmt: ({ funcname, options = [] }) => {
      const name = pathOfTexts(funcname).at(-1);
      const isSteady = options.some(
        (one) =>
          "DefElem" in one &&
          one.DefElem.defname === "volatility" &&
          one.DefElem.arg !== undefined &&
          pathOfTexts([one.DefElem.arg])[0] !== "volatile",
      );
      if (name !== undefined && !isSteady) scene.volatileFunctions.add(name);
    },
    CreateDomainStmt: ({ domainname, constraints = [] }) => {
      const name = pathOfTexts(domainname).at(-1);
      if (name !== undefined && constraints.length > 0) scene.constrainedDomains.add(name);
    },
    VariableSetStmt: ({ name, kind, args = [] }) => {
      if (name !== "search_path") return;
      const schemas = args.flatMap((node) =>
        "A_Const" in node ? (node.A_Const.sval?.sval ?? []) : [],
      );
      scene.searchPath = kind === "VAR_SET_VALUE" ? schemas : scene.facts.searchPath;
    },
  };
}

const OF_TABLES: ReadonlySet<string> = new Set([
  "OBJECT_TABLE",
  "OBJECT_VIEW",
  "OBJECT_MATVIEW",
  "OBJECT_FOREIGN_TABLE",
]);

function moved<T>(map: Map<string, T>, from: string, to: string): void {
  const value = map.get(from);
  if (value === undefined) return;
  map.delete(from);
  map.set(to, value);
}

function addElement(table: SceneTable, element: Node, scene: Scene): void {
  if ("Constraint" in element) addConstraint(table, element.Constraint, scene);
  if (!("ColumnDef" in element)) return;
  const { colname = "", typeName } = element.ColumnDef;
  const constraints = constraintsOf(element.ColumnDef);
  const notNull = constraints.some(
    ({ contype }) => contype === "CONSTR_NOTNULL" || contype === "CONSTR_PRIMARY",
  );
  table.columns.set(colname, { type: columnTypeOf(typeName), notNull });
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
      const name = constraint.conname ?? `${table.name}_${ending}`;
      if (indexname !== undefined) table.indexes.delete(indexname);
      table.keys.set(name, columns);
      table.indexes.set(name, columns);
      if (contype === "CONSTR_PRIMARY") for (const one of columns) setNotNull(table, one, true);
    }
  }
}

function unused(map: ReadonlyMap<string, unknown>, name: string): string {
  let tried = name;
  for (let n = 1; map.has(tried); n += 1) tried = `${name}${n}`;
  return tried;
}

function setNotNull(table: SceneTable, column: string, notNull: boolean): void {
  const known = table.columns.get(column);
  table.columns.set(column, { type: known?.type, notNull });
}

function alter(table: SceneTable, command: AlterTableCmd, scene: Scene): void {
  const { subtype, name = "", def } = command;
  const partition =
    def && "PartitionCmd" in def
      ? scene.table(pathOfTable(def.PartitionCmd.name ?? {}))
      : undefined;
  switch (subtype) {
    case "AT_AddColumn":
    case "AT_AddConstraint":
      if (def !== undefined) addElement(table, def, scene);
      return;
    case "AT_DropColumn":
      table.columns.delete(name);
      for (const [key, { columns }] of table.foreignKeys) {
        if (columns.includes(name)) table.foreignKeys.delete(key);
      }
      return;
    case "AT_DropConstraint":
      for (const kind of ["checks", "foreignKeys", "keys", "indexes"] as const)
        table[kind].delete(name);
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
      const type = def && "ColumnDef" in def ? columnTypeOf(def.ColumnDef.typeName) : undefined;
      table.columns.set(name, { type, notNull: table.columns.get(name)?.notNull ?? false });
      return;
    }
    case "AT_AttachPartition":
      if (partition !== undefined) {
        partition.parents.add(table);
        const bound = def && "PartitionCmd" in def ? def.PartitionCmd.bound : undefined;
        partition.isDefaultPartition = bound?.is_default === true;
      }
      return;
    case "AT_DetachPartition":
      partition?.parents.delete(table);
  }
}
