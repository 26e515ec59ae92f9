import type { Node, RangeVar } from "libpg-query";
import { pathOf, pathOfTexts, type Readers, readNode } from "../tree.ts";
import { alterEffects } from "./alter-effects.ts";
import { referredBy } from "./constraint-effects.ts";
import { dropEffects, renameEffects, truncateEffects } from "./drop-effects.ts";
import { type Effect, family, lock, strongest } from "./effect.ts";
import { modeOfNumber } from "./lock-modes.ts";
import { partners } from "./partition-effects.ts";
import {
  readEffects,
  readThrough,
  selectEffects,
  tablesNamed,
  writeEffects,
} from "./row-effects.ts";
import type { Scene, SceneTable } from "./scene.ts";

const AE = "ACCESS EXCLUSIVE";
const SRE = "SHARE ROW EXCLUSIVE";
const SUE = "SHARE UPDATE EXCLUSIVE";

/**
 * The locks that a statement takes on tables (not those on indexes and sequences), on each the strongest, and what it
 * does under them: by the rules of PostgreSQL 14 to 18, held against the servers in `test/sql-tree`. What functions,
 * triggers and DO blocks do is not seen.
 */
export function effectsOf(tree: Node, scene: Scene): readonly Effect[] {
  return strongest(readNode(tree, readersOf(scene)) ?? []);
}

/** Why the locks of a statement cannot be known; undefined where they are. */
export function opaqueReason(tree: Node): string | undefined {
  if ("DoStmt" in tree) return "a DO block";
  if ("CallStmt" in tree) return "a procedure";
  if ("DropOwnedStmt" in tree || "ReassignOwnedStmt" in tree) return "all that a role owns";
  if ("VacuumStmt" in tree && (tree.VacuumStmt.rels ?? []).length === 0) return "every table";
  if ("ClusterStmt" in tree && tree.ClusterStmt.relation === undefined) return "every table";
  if ("ReindexStmt" in tree && tree.ReindexStmt.relation === undefined) return "every index";
  if ("DropStmt" in tree && tree.DropStmt.removeType === "OBJECT_STATISTIC_EXT")
    return "the table of the statistics";
  if ("DropStmt" in tree && tree.DropStmt.behavior === "DROP_CASCADE") {
    return FOLLOWED.has(tree.DropStmt.removeType ?? "") ? undefined : "what CASCADE drops";
  }
  return undefined;
}

const FOLLOWED: ReadonlySet<string> = new Set([
  "OBJECT_TABLE",
  "OBJECT_VIEW",
  "OBJECT_MATVIEW",
  "OBJECT_SCHEMA",
  "OBJECT_TRIGGER",
  "OBJECT_POLICY",
  "OBJECT_RULE",
  "OBJECT_INDEX",
]);

function readersOf(scene: Scene): Readers<readonly Effect[]> {
  const on = (relation: RangeVar | undefined) => scene.tableOf(relation);
  const relationsOf = (nodes: readonly Node[] = []) =>
    nodes.flatMap((node) => ("RangeVar" in node ? family(scene, node.RangeVar) : []));
  return {
    AlterTableStmt: (body) => alterEffects(body, scene),
    DropStmt: (body) => dropEffects(body, scene),
    TruncateStmt: (body) => truncateEffects(body, scene),
    RenameStmt: (body) => renameEffects(body, scene),
    CreateStmt: ({ tableElts = [], inhRelations = [], partbound }) => {
      const parents = inhRelations.map((node) => scene.table(pathOf(node)));
      const others =
        partbound && !partbound.is_default
          ? parents.flatMap((one) => scene.defaultPartition(one) ?? [])
          : [];
      const likes = tableElts.flatMap((node) =>
        "TableLikeClause" in node ? [on(node.TableLikeClause.relation)] : [],
      );
      const inherited = parents.flatMap((one) => [...one.foreignKeys.values()].map(({ to }) => to));
      return [
        ...lock(SRE, [...referredBy(tableElts, scene), ...(partbound ? inherited : [])]),
        ...(partbound ? parents.flatMap((one) => partners(one, scene)) : []),
        ...lock(partbound === undefined ? SUE : AE, parents),
        ...lock(AE, others, "scan"),
        ...lock("ACCESS SHARE", likes),
      ];
    },
    CreateSeqStmt: ({ options }) => owned(options, scene),
    AlterSeqStmt: ({ options }) => owned(options, scene),
    CreateTableAsStmt: ({ query }) => readEffects({ query }, scene),
    ViewStmt: ({ view, query, replace }) => [
      ...(replace ? existing(scene, view).flatMap((one) => lock(AE, one)) : []),
      ...lock("ACCESS SHARE", tablesNamed({ query }, scene)),
    ],
    IndexStmt: ({ concurrent, relation }) =>
      concurrent
        ? lock(SUE, on(relation), "scan")
        : lock(
            "SHARE",
            indexed(scene, relation),
            "scan",
            "CREATE INDEX CONCURRENTLY lets writes pass.",
          ),
    ReindexStmt: ({ kind, relation, params = [] }) => {
      if (relation === undefined) return [];
      const path = pathOf({ RangeVar: relation });
      const table =
        kind === "REINDEX_OBJECT_INDEX"
          ? (scene.tableOfIndex(path) ?? scene.table(path))
          : on(relation);
      const isConcurrent = params.some(
        (param) => "DefElem" in param && param.DefElem.defname === "concurrently",
      );
      const work = table.indexes.size > 0 || table.isAssumed ? "scan" : "instant";
      return isConcurrent
        ? lock(SUE, table, work)
        : lock("SHARE", table, work, "REINDEX … CONCURRENTLY lets writes pass.");
    },
    AlterObjectSchemaStmt: ({ objectType = "", relation }) =>
      WITH_ROWS.has(objectType) ? lock(AE, on(relation)) : [],
    CreateTrigStmt: ({ relation, constrrel, row }) => [
      ...lock(
        SRE,
        row && on(relation).kind === "partitioned"
          ? family(scene, { ...relation, inh: true })
          : on(relation),
      ),
      ...(constrrel === undefined ? [] : lock("ACCESS SHARE", on(constrrel))),
    ],
    CreatePolicyStmt: ({ table, ...rest }) => [...lock(AE, on(table)), ...readEffects(rest, scene)],
    AlterPolicyStmt: ({ table, ...rest }) => [...lock(AE, on(table)), ...readEffects(rest, scene)],
    RuleStmt: ({ relation }) => lock(AE, on(relation)),
    CreateStatsStmt: ({ relations }) => lock(SUE, relationsOf(relations)),
    CommentStmt: ({ objtype = "", object }) => commented(objtype, object, scene),
    RefreshMatViewStmt: ({ concurrent, relation }) => [
      ...(concurrent
        ? lock("EXCLUSIVE", on(relation), "scan")
        : lock(AE, on(relation), "rewrite", "CONCURRENTLY lets readers pass.")),
      ...lock(
        "ACCESS SHARE",
        [...on(relation).reads.keys()].flatMap((one) => readThrough(one, scene)),
        "scan",
      ),
    ],
    ClusterStmt: ({ relation }) =>
      relation === undefined ? [] : lock(AE, on(relation), "rewrite"),
    VacuumStmt: ({ rels = [], options = [], is_vacuumcmd }) => {
      const isFull = options.some((one) => "DefElem" in one && one.DefElem.defname === "full");
      const tables = rels.flatMap((one) =>
        "VacuumRelation" in one ? family(scene, { ...one.VacuumRelation.relation, inh: true }) : [],
      );
      // ANALYZE reads a sample.
      return isFull
        ? lock(AE, tables, "rewrite")
        : lock(SUE, tables, is_vacuumcmd ? "scan" : "rows");
    },
    LockStmt: ({ relations, mode = 0 }) => {
      const name = modeOfNumber(mode);
      return name === undefined ? [] : lock(name, relationsOf(relations));
    },
    AlterDomainStmt: ({ subtype = "", typeName, def }) => {
      const isNotValid = def && "Constraint" in def && def.Constraint.skip_validation;
      if (!"COV".includes(subtype) || isNotValid) return [];
      const name = pathOfTexts(typeName).at(-1);
      const users = [...scene.tables].filter(({ columns }) =>
        [...columns.values()].some(({ type }) => type?.name === name),
      );
      return lock("SHARE", users, "scan");
    },
    CreatePublicationStmt: ({ pubobjects = [] }) => lock(SUE, published(pubobjects, scene)),
    AlterPublicationStmt: ({ pubobjects = [] }) => lock(SUE, published(pubobjects, scene)),
    InsertStmt: (body) => writeEffects(body, scene, "insert"),
    UpdateStmt: (body) => writeEffects(body, scene, "change"),
    DeleteStmt: (body) => writeEffects(body, scene, "change"),
    MergeStmt: (body) => writeEffects(body, scene, "change"),
    CopyStmt: (body) =>
      body.is_from
        ? writeEffects(body, scene, "insert")
        : readEffects({ RangeVar: body.relation, query: body.query }, scene),
    SelectStmt: (body) => selectEffects(body, scene),
  };
}

const WITH_ROWS: ReadonlySet<string> = new Set([
  "OBJECT_TABLE",
  "OBJECT_VIEW",
  "OBJECT_MATVIEW",
  "OBJECT_FOREIGN_TABLE",
]);

/** OWNED BY a column. */
function owned(options: readonly Node[] = [], scene: Scene): readonly Effect[] {
  return options.flatMap((one) => {
    if (!("DefElem" in one) || one.DefElem.defname !== "owned_by") return [];
    const path = pathOf(one.DefElem.arg).slice(0, -1);
    return path.length === 0 ? [] : lock("ACCESS SHARE", scene.table(path));
  });
}

function existing(scene: Scene, view: RangeVar | undefined): readonly SceneTable[] {
  const found = scene.find(pathOf({ RangeVar: view ?? {} }));
  return found === undefined ? [] : [found];
}

/** An index on a partitioned table is one on each partition. */
function indexed(scene: Scene, relation: RangeVar | undefined): readonly SceneTable[] {
  const table = scene.tableOf(relation);
  return table.kind === "partitioned" ? family(scene, relation) : [table];
}

function published(objects: readonly Node[], scene: Scene): readonly SceneTable[] {
  return objects.flatMap((node) => {
    const table = "PublicationObjSpec" in node ? node.PublicationObjSpec.pubtable : undefined;
    return table === undefined ? [] : family(scene, table.relation);
  });
}

function commented(objtype: string, object: Node | undefined, scene: Scene): readonly Effect[] {
  const path = pathOf(object);
  if (WITH_ROWS.has(objtype)) return lock(SUE, scene.table(path));
  if (objtype === "OBJECT_COLUMN") return lock(SUE, scene.table(path.slice(0, -1)));
  return PARTS.has(objtype) ? lock("ACCESS SHARE", scene.table(path.slice(0, -1))) : [];
}

const PARTS: ReadonlySet<string> = new Set([
  "OBJECT_TABCONSTRAINT",
  "OBJECT_TRIGGER",
  "OBJECT_POLICY",
  "OBJECT_RULE",
]);
