import type { Node, RangeVar } from "libpg-query";
import { nodesIn, pathOfTable } from "../tree.ts";
import { type Effect, lock } from "./effect.ts";
import type { Scene, SceneTable } from "./scene.ts";

/** The locks of what reads: of all tables that a tree names, and of those that its views read. */
export function readEffects(tree: unknown, scene: Scene): readonly Effect[] {
  const tables = tablesNamed(tree, scene).flatMap((table) => readThrough(table, scene));
  // A WITH may write.
  const writes = [...nodesIn(tree)].flatMap(([field, body]) =>
    field in VERBS ? written(body, scene, VERBS[field] ?? "change") : [],
  );
  return [...lock("ACCESS SHARE", tables, "rows"), ...writes];
}

type Verb = "insert" | "change";

const VERBS: Readonly<Record<string, Verb>> = {
  InsertStmt: "insert",
  UpdateStmt: "change",
  DeleteStmt: "change",
  MergeStmt: "change",
};

/** The tables that a query names. A name that nobody knows is a function's or a catalog's. */
export function tablesNamed(tree: unknown, scene: Scene): readonly SceneTable[] {
  const names = commonNames(tree);
  return relationsIn(tree)
    .filter((relation) => relation.schemaname !== undefined || !names.has(relation.relname ?? ""))
    .flatMap((relation) => scene.find(pathOfTable(relation)) ?? []);
}

/** A table; of a view also what it reads; with partitions and children. */
export function readThrough(table: SceneTable, scene: Scene): readonly SceneTable[] {
  return [
    table,
    ...(table.kind === "view"
      ? [...table.reads.keys()].flatMap((one) => readThrough(one, scene))
      : []),
    ...scene.descendants(table),
  ];
}

/** Names that WITH gives, which are no tables. */
function commonNames(tree: unknown): ReadonlySet<string> {
  return new Set(
    [...nodesIn(tree)].flatMap(([field, body]) =>
      field === "CommonTableExpr" ? ((body as { ctename?: string }).ctename ?? []) : [],
    ),
  );
}

function relationsIn(tree: unknown): readonly RangeVar[] {
  return [...nodesIn(tree)].flatMap(([field, body]) =>
    field === "RangeVar" ? [body as RangeVar] : [],
  );
}

/** INSERT, UPDATE, DELETE, MERGE, COPY … FROM: what triggers do besides is not seen. */
export function writeEffects(
  body: { readonly relation?: RangeVar },
  scene: Scene,
  verb: Verb,
): readonly Effect[] {
  const { relation: _relation, ...rest } = body;
  return [...written(body, scene, verb), ...readEffects(rest, scene)];
}

function written(
  { relation }: { readonly relation?: RangeVar },
  scene: Scene,
  verb: Verb,
): readonly Effect[] {
  const table = scene.tableOf(relation);
  const tables =
    verb === "change" || table.kind === "partitioned"
      ? [table, ...scene.descendants(table)]
      : [table];
  const referred = [...table.foreignKeys.values()].map(({ to }) => to);
  return [
    ...lock("ROW EXCLUSIVE", tables, "rows"),
    ...(verb === "insert" ? lock("ROW SHARE", referred, "rows") : []),
  ];
}

/** SELECT, which with FOR UPDATE and the like locks rows. */
export function selectEffects(
  select: { readonly lockingClause?: readonly Node[]; readonly fromClause?: readonly Node[] },
  scene: Scene,
): readonly Effect[] {
  const reads = readEffects(select, scene);
  if ((select.lockingClause ?? []).length === 0) return reads;
  const named = relationsIn(select.fromClause).flatMap(
    (relation) => scene.find(pathOfTable(relation)) ?? [],
  );
  return [...lock("ROW SHARE", named, "rows"), ...reads];
}
