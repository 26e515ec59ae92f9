import type { Node, RangeVar } from "libpg-query";
import { pathOfTable, type RowLoss, shortName, textsOf } from "./loss-label.ts";

/** Statements that run what they hold; others only keep it, as a rule or a function does. */
const RUNNING: ReadonlySet<string> = new Set([
  "SelectStmt",
  "InsertStmt",
  "UpdateStmt",
  "DeleteStmt",
  "MergeStmt",
  "ExplainStmt",
  "PrepareStmt",
  "ExecuteStmt",
  "CopyStmt",
  "CreateTableAsStmt",
  "DeclareCursorStmt",
]);

/** What a statement deletes or overwrites, wherever that stands in it, and the functions that it calls. */
export function lossyWritesOf(tree: Node): readonly RowLoss[] {
  if ("DoStmt" in tree) return [{ kind: "unknown", label: "what a DO block does" }];
  if ("CallStmt" in tree) {
    const name = shortName(textsOf(tree.CallStmt.funccall?.funcname));
    return [{ kind: "unknown", label: `what the procedure ${name} does` }];
  }
  const [kind = ""] = Object.keys(tree);
  return RUNNING.has(kind) ? [...writesIn(tree)] : [];
}

/** Whether it calls a function of that name. */
export function calls(tree: Node, name: string): boolean {
  return lossyWritesOf(tree).some((loss) => loss.kind === "call" && loss.path.at(-1) === name);
}

function* writesIn(tree: unknown): Generator<RowLoss> {
  if (typeof tree !== "object" || tree === null) return;
  for (const [kind, body] of Object.entries(tree)) {
    if (typeof body !== "object" || body === null) continue;
    yield* READERS[kind]?.(body as Writing) ?? [];
    yield* writesIn(body);
  }
}

/** What is read of a node. */
interface Writing {
  readonly relation?: RangeVar;
  readonly targetList?: readonly Node[];
  readonly onConflictClause?: Pick<Writing, "targetList">;
  readonly mergeWhenClauses?: readonly Node[];
  readonly funcname?: readonly Node[];
}

const READERS: Readonly<Record<string, (body: Writing) => readonly RowLoss[]>> = {
  DeleteStmt: ({ relation }) => [{ kind: "rows", path: pathOfTable(relation) }],
  UpdateStmt: ({ relation, targetList }) => overwritten(relation, targetList),
  InsertStmt: ({ relation, onConflictClause }) =>
    overwritten(relation, onConflictClause?.targetList),
  MergeStmt: ({ relation, mergeWhenClauses = [] }) =>
    mergeWhenClauses.flatMap((clause): readonly RowLoss[] => {
      if (!("MergeWhenClause" in clause)) return [];
      const { commandType, targetList } = clause.MergeWhenClause;
      if (commandType === "CMD_UPDATE") return overwritten(relation, targetList);
      return commandType === "CMD_DELETE" ? [{ kind: "rows", path: pathOfTable(relation) }] : [];
    }),
  FuncCall: ({ funcname }) => [{ kind: "call", path: textsOf(funcname) }],
};

function overwritten(
  relation: RangeVar | undefined,
  targets: readonly Node[] = [],
): readonly RowLoss[] {
  return targets.flatMap((target) =>
    "ResTarget" in target && target.ResTarget.name !== undefined
      ? [{ kind: "values", path: pathOfTable(relation), column: target.ResTarget.name }]
      : [],
  );
}
