import type { AlterTableCmd, AlterTableStmt, ATAlterConstraint, Node } from "libpg-query";
import { columnsIn } from "../tree.ts";
import { constraintEffects, newColumnEffects } from "./constraint-effects.ts";
import { type Altered, type Effect, family, lock } from "./effect.ts";
import { attach, detach } from "./partition-effects.ts";
import type { ColumnType, Scene, SceneTable } from "./scene.ts";
import {
  columnTypeOf,
  isItself,
  provesNotNull,
  rewritesOnChange,
  sortsAnew,
} from "./type-change.ts";

const AE = "ACCESS EXCLUSIVE";
const SRE = "SHARE ROW EXCLUSIVE";
const SUE = "SHARE UPDATE EXCLUSIVE";

/** The locks of ALTER TABLE, one of its commands after the other. */
export function alterEffects(
  { relation, objtype, cmds = [] }: AlterTableStmt,
  scene: Scene,
): readonly Effect[] {
  if (!OF_TABLES.has(objtype ?? "")) return [];
  const table = scene.tableOf(relation);
  const all = family(scene, relation);
  const commands = cmds.flatMap((node) => ("AlterTableCmd" in node ? node.AlterTableCmd : []));
  // Wherever they stand in the statement, the server drops first.
  const dropped = new Set(
    commands.flatMap(({ subtype, name = "" }) => (subtype === "AT_DropConstraint" ? name : [])),
  );
  return commands.flatMap((command) => commandEffects(command, { scene, table, all, dropped }));
}

const OF_TABLES: ReadonlySet<string> = new Set([
  "OBJECT_TABLE",
  "OBJECT_FOREIGN_TABLE",
  "OBJECT_VIEW",
  "OBJECT_MATVIEW",
]);

function commandEffects(command: AlterTableCmd, altered: Altered): readonly Effect[] {
  const { subtype = "AT_AddColumn", name = "", def } = command;
  const { table, all, scene } = altered;
  if (subtype.startsWith("AT_EnableTrig") || subtype.startsWith("AT_DisableTrig")) {
    return lock(SRE, table.kind === "partitioned" ? all : table);
  }
  switch (subtype) {
    // Neither readers nor writers wait.
    case "AT_SetStatistics":
    case "AT_SetOptions":
    case "AT_ResetOptions":
      return lock(SUE, all);
    case "AT_ClusterOn":
    case "AT_DropCluster":
      return lock(SUE, table);
    case "AT_SetRelOptions":
    case "AT_ResetRelOptions":
      return lock(table.kind === "view" || isCatalogOption(def) ? AE : SUE, table);
    case "AT_AddColumn":
      return newColumnEffects(def, altered);
    case "AT_DropColumn":
      return [
        ...lock(AE, all),
        ...lock(AE, partnersOf(name, altered)),
        ...(command.behavior === "DROP_CASCADE" ? lock(AE, scene.viewsOn(table, name)) : []),
      ];
    case "AT_AddConstraint":
      return def && "Constraint" in def ? constraintEffects(def.Constraint, altered) : [];
    case "AT_DropConstraint":
      return [...lock(AE, all), ...dropKey(name, altered, command.behavior)];
    case "AT_ValidateConstraint":
      return validate(name, altered);
    case "AT_AlterConstraint":
      return def && "ATAlterConstraint" in def
        ? enforce(def.ATAlterConstraint, altered)
        : lock(AE, table);
    case "AT_AlterColumnType":
      return changeType(name, def, altered);
    case "AT_SetNotNull":
      return all.flatMap((one) => setNotNull(one, name, altered.dropped));
    case "AT_SetLogged":
      return lock(AE, table, table.isUnlogged === false ? "instant" : "rewrite");
    case "AT_SetUnLogged":
      return lock(AE, table, table.isUnlogged === true ? "instant" : "rewrite");
    case "AT_SetTableSpace":
    case "AT_SetAccessMethod":
      return lock(AE, table, table.kind === "partitioned" ? "instant" : "rewrite");
    case "AT_SetExpression":
      return lock(AE, all, scene.facts.serverVersion >= 170_000 ? "rewrite" : "instant");
    case "AT_AttachPartition":
      return def && "PartitionCmd" in def ? attach(def.PartitionCmd, altered) : [];
    case "AT_DetachPartition":
    case "AT_DetachPartitionFinalize":
      return def && "PartitionCmd" in def ? detach(def.PartitionCmd, altered) : [];
    case "AT_AddInherit":
      return [...lock(AE, table), ...lock(SUE, parentOf(def, scene))];
    case "AT_DropInherit":
      return [...lock(AE, table), ...lock("ACCESS SHARE", parentOf(def, scene))];
    case "AT_ColumnDefault":
    case "AT_DropNotNull":
    case "AT_SetStorage":
    case "AT_SetCompression":
    case "AT_DropExpression":
      return lock(AE, all);
    default:
      return lock(AE, table);
  }
}

function isCatalogOption(def: Node | undefined): boolean {
  const items = def && "List" in def ? (def.List.items ?? []) : [];
  return items.some((item) => "DefElem" in item && item.DefElem.defname === "user_catalog_table");
}

function parentOf(def: Node | undefined, scene: Scene): SceneTable {
  return scene.tableOf(def && "RangeVar" in def ? def.RangeVar : undefined);
}

/** Foreign keys from or to a column go with it, and with them triggers of the other table. */
function partnersOf(column: string, { scene, table }: Altered): readonly SceneTable[] {
  const partners = [...table.foreignKeys.values()]
    .filter(({ columns }) => columns.includes(column))
    .map(({ to }) => to);
  const isKey = [...table.keys.values()].some((columns) => columns.includes(column));
  return [...partners, ...(isKey ? scene.referrers(table) : [])];
}

function dropKey(
  name: string,
  { scene, table }: Altered,
  behavior: string | undefined,
): readonly Effect[] {
  const foreign = table.foreignKeys.get(name);
  if (foreign !== undefined) return lock(AE, [foreign.to, ...scene.descendants(foreign.to)]);
  return table.keys.has(name) && behavior === "DROP_CASCADE"
    ? lock(AE, scene.referrers(table))
    : [];
}

function validate(name: string, { table, all }: Altered): readonly Effect[] {
  const foreign = table.foreignKeys.get(name);
  const isValid = table.checks.get(name)?.isValid;
  return [
    ...lock(SUE, foreign === undefined ? all : table, isValid ? "instant" : "scan"),
    ...(foreign === undefined ? [] : lock("ROW SHARE", foreign.to, "rows")),
  ];
}

/** From 18 on a foreign key can be switched off, and on: then its rows are looked up. */
function enforce(
  { conname = "", alterEnforceability, is_enforced }: ATAlterConstraint,
  { table }: Altered,
): readonly Effect[] {
  const other = table.foreignKeys.get(conname)?.to;
  if (!alterEnforceability || other === undefined) return lock(AE, table);
  const work = is_enforced ? "scan" : "instant";
  return [...lock(AE, table, work), ...lock(is_enforced ? SRE : AE, other, work)];
}

function changeType(name: string, def: Node | undefined, altered: Altered): readonly Effect[] {
  const { scene, table, all } = altered;
  const { typeName, raw_default, collClause } = def && "ColumnDef" in def ? def.ColumnDef : {};
  const to = columnTypeOf(typeName);
  const rewrites =
    (raw_default !== undefined && !isItself(raw_default, name, to)) ||
    rewritesOnChange(table.columns.get(name)?.type, to, scene);
  const isCollated = collClause !== undefined;
  return [
    ...all.flatMap((one) =>
      lock(
        AE,
        one,
        rewrites ? "rewrite" : looksAgain(one, name, to, isCollated) ? "scan" : "instant",
      ),
    ),
    // A foreign key is made anew too, and its rows are looked up where they were rewritten.
    ...lock(AE, partnersOf(name, altered), rewrites ? "scan" : "instant"),
  ];
}

/** Whether all rows are read although the bytes stay: for a CHECK, or for an index that is built anew. */
function looksAgain(
  { columns, checks, indexes, computed }: SceneTable,
  name: string,
  to: ColumnType | undefined,
  isCollated: boolean,
): boolean {
  const column = columns.get(name);
  const sorts = isCollated || column?.isCollated === true || sortsAnew(column?.type, to);
  return (
    [...checks.values()].some(({ expression }) => columnsIn(expression).includes(name)) ||
    [...indexes].some(([index, on]) => on.includes(name) && (sorts || computed.has(index)))
  );
}

function setNotNull(
  table: SceneTable,
  column: string,
  dropped: ReadonlySet<string>,
): readonly Effect[] {
  if (table.columns.get(column)?.notNull) return lock(AE, table);
  const isProven = [...table.checks].some(
    ([name, { isValid, expression }]) =>
      isValid && !dropped.has(name) && provesNotNull(expression, column),
  );
  if (isProven) return lock(AE, table);
  return lock(
    AE,
    table,
    "scan",
    "To avoid that, add a CHECK (… IS NOT NULL) NOT VALID and validate it first.",
  );
}
