import type { ColumnDef, Constraint, Node, RangeVar } from "libpg-query";
import { pathOfTexts } from "../tree.ts";
import { type Altered, type Effect, lock } from "./effect.ts";
import type { Scene, SceneTable } from "./scene.ts";
import { columnTypeOf, isVolatile, SERIALS } from "./type-change.ts";

const AE = "ACCESS EXCLUSIVE";
const SRE = "SHARE ROW EXCLUSIVE";

const NOT_VALID = "To avoid that, add it NOT VALID, and VALIDATE CONSTRAINT in a later file.";
const USING_INDEX =
  "To avoid that, build an index CONCURRENTLY first, and ADD CONSTRAINT … USING INDEX.";

/** ALTER TABLE … ADD CONSTRAINT. */
export function constraintEffects(
  constraint: Constraint,
  { scene, table, all }: Altered,
): readonly Effect[] {
  const { contype, skip_validation, indexname } = constraint;
  switch (contype) {
    case "CONSTR_FOREIGN": {
      const partners = withParts(constraint.pktable, scene);
      return skip_validation
        ? lock(SRE, [...all, ...partners])
        : lock(SRE, [...all, ...partners], "scan", NOT_VALID);
    }
    case "CONSTR_CHECK":
      return skip_validation ? lock(AE, all) : lock(AE, all, "scan", NOT_VALID);
    case "CONSTR_NOTNULL": {
      const [column = ""] = pathOfTexts(constraint.keys);
      const isKnown = skip_validation || table.columns.get(column)?.notNull;
      return isKnown ? lock(AE, all) : lock(AE, all, "scan", NOT_VALID);
    }
    default: {
      if (indexname === undefined) return lock(AE, all, "scan", USING_INDEX);
      // A primary key wants columns without NULL, and looks where they may have some.
      const columns = table.indexes.get(indexname) ?? [];
      const nullable = columns.some((name) => !table.columns.get(name)?.notNull);
      const scans = contype === "CONSTR_PRIMARY" && nullable && columns.length > 0;
      return lock(AE, table, scans ? "scan" : "instant");
    }
  }
}

/** ALTER TABLE … ADD COLUMN. */
export function newColumnEffects(
  def: Node | undefined,
  { scene, all }: Altered,
): readonly Effect[] {
  if (def === undefined || !("ColumnDef" in def)) return lock(AE, all);
  const column = def.ColumnDef;
  const constraints = constraintsOf(column);
  const has = (...kinds: readonly string[]) =>
    constraints.some(({ contype = "" }) => kinds.includes(contype));
  const withDefault = constraints.find(({ contype }) => contype === "CONSTR_DEFAULT");
  const rewrites =
    isFilledAnew(column, constraints, scene) || isVolatile(withDefault?.raw_expr, scene);
  const isBare = withDefault === undefined && !has("CONSTR_IDENTITY", "CONSTR_GENERATED");
  // What is computed as it is read may be NULL.
  const isVirtual = has("CONSTR_GENERATED") && !isFilledAnew(column, constraints, scene);
  const builds = has("CONSTR_PRIMARY", "CONSTR_UNIQUE", "CONSTR_CHECK");
  // Without a default it fails on a table with rows: looking for NULL it has read the first by then.
  const looks = (isBare || isVirtual) && has("CONSTR_NOTNULL", "CONSTR_PRIMARY");
  const referred = constraints.flatMap(({ contype, pktable }) =>
    contype === "CONSTR_FOREIGN" ? withParts(pktable, scene) : [],
  );
  const own = rewrites
    ? lock(AE, all, "rewrite", "To avoid that, add it without the default, and fill it in later.")
    : lock(AE, all, builds || looks || (referred.length > 0 && !isBare) ? "scan" : "instant");
  return [...own, ...lock(SRE, referred, isBare ? "instant" : "scan")];
}

/** Each row gets a value of its own. */
function isFilledAnew(
  { typeName }: ColumnDef,
  constraints: readonly Constraint[],
  scene: Scene,
): boolean {
  const type = columnTypeOf(typeName)?.name ?? "";
  if (SERIALS.has(type) || scene.constrainedDomains.has(type)) return true;
  return constraints.some(
    ({ contype, generated_kind }) =>
      contype === "CONSTR_IDENTITY" || (contype === "CONSTR_GENERATED" && generated_kind !== "v"),
  );
}

export function constraintsOf({ constraints = [] }: ColumnDef): readonly Constraint[] {
  return constraints.flatMap((node) => ("Constraint" in node ? [node.Constraint] : []));
}

/** Tables that a new one refers to: they get triggers. The new one has no rows to look through. */
export function referredBy(elements: readonly Node[], scene: Scene): readonly SceneTable[] {
  return elements.flatMap((element) => {
    const constraints =
      "ColumnDef" in element
        ? constraintsOf(element.ColumnDef)
        : "Constraint" in element
          ? [element.Constraint]
          : [];
    return constraints.flatMap(({ contype, pktable }) => {
      if (contype !== "CONSTR_FOREIGN") return [];
      return withParts(pktable, scene);
    });
  });
}

/** A table that a foreign key refers to, with its partitions. */
function withParts(referred: RangeVar | undefined, scene: Scene): readonly SceneTable[] {
  const table = scene.tableOf(referred);
  return [table, ...scene.descendants(table)];
}
