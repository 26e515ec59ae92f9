import type { Node } from "libpg-query";
import {
  columnsIn,
  type Path,
  pathOf,
  pathOfTable,
  pathOfTexts,
  type Readers,
  readNode,
} from "../tree.ts";
import { addElement, alterFamily, unused } from "./follow-alter.ts";
import { renameColumn, renameKey, renameTypeTo } from "./follow-rename.ts";
import { tablesNamed } from "./row-effects.ts";
import type { Scene, SceneTable } from "./scene.ts";

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
    CreateTableAsStmt: ({ into, objtype, query }) => {
      if (into?.rel === undefined) return;
      const isView = objtype === "OBJECT_MATVIEW";
      const table = made(pathOfTable(into.rel), isView ? "matview" : "table");
      if (isView) reads(table, query, scene);
    },
    ViewStmt: ({ view = {}, query }) => {
      reads(scene.find(pathOfTable(view)) ?? made(pathOfTable(view), "view"), query, scene);
    },
    IndexStmt: ({ relation, idxname, indexParams = [], whereClause }) => {
      const columns = indexParams.flatMap((node) =>
        "IndexElem" in node ? (node.IndexElem.name ?? []) : [],
      );
      const nameOn = (table: SceneTable) =>
        unused(table.indexes, [table.name, ...columns, "idx"].join("_"));
      const needed = [...new Set([...columns, ...columnsIn({ indexParams, whereClause })])];
      const isComputed = needed.length > columns.length || whereClause !== undefined;
      const add = (table: SceneTable, name: string) => {
        table.indexes.set(name, needed);
        if (isComputed) table.computed.add(name);
      };
      const table = scene.tableOf(relation);
      add(table, idxname ?? nameOn(table));
      const parts = table.kind === "partitioned" ? scene.descendants(table) : [];
      for (const part of parts) add(part, nameOn(part));
    },
    AlterTableStmt: ({ relation, cmds = [] }) => {
      const table = scene.find(pathOfTable(relation ?? {}));
      if (table === undefined) return;
      for (const node of cmds) {
        if ("AlterTableCmd" in node)
          alterFamily(table, node.AlterTableCmd, scene, relation?.inh === true);
      }
    },
    RenameStmt: ({ renameType, relation, object, subname = "", newname = "" }) => {
      if (renameType === "OBJECT_DOMAIN" || renameType === "OBJECT_TYPE") {
        renameTypeTo(newname, scene, pathOf(object).at(-1) ?? "");
        return;
      }
      const path = pathOfTable(relation ?? {});
      const table = scene.find(path);
      if (renameType === "OBJECT_INDEX" || table === undefined) {
        const owner = scene.tableOfIndex(path);
        if (owner !== undefined) renameKey(owner, path.at(-1) ?? "", newname);
        return;
      }
      if (renameType === "OBJECT_COLUMN") {
        renameColumn(table, subname, newname, scene);
      } else if (renameType === "OBJECT_TABCONSTRAINT") {
        renameKey(table, subname, newname);
      } else if (OF_TABLES.has(renameType ?? "")) table.name = newname;
    },
    AlterObjectSchemaStmt: ({ relation, newschema }) => {
      const table = scene.find(pathOfTable(relation ?? {}));
      if (table !== undefined) table.schema = newschema;
    },
    DropStmt: ({ removeType, objects = [], behavior }) => {
      for (const object of objects) {
        const path = pathOf(object);
        if (removeType === "OBJECT_SCHEMA" && "String" in object) {
          for (const one of scene.tables) {
            if (one.schema === object.String.sval) scene.remove(one);
          }
        }
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

/** What a view is made of; which columns it names is not looked up. */
function reads(view: SceneTable, query: Node | undefined, scene: Scene): void {
  for (const table of tablesNamed({ query }, scene)) {
    view.reads.set(table, new Set(table.columns.keys()));
  }
}
