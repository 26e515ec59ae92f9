import type { Constraint, Node, RangeVar } from "libpg-query";
import { madeBy } from "./made.ts";
import { type Path, pathOf, pathOfTable, type Readers, readNode, shortName } from "./tree.ts";

/** A lock that a statement takes on a table, strong enough to stop others' writes. */
export interface StrongLock {
  /** As LOCK TABLE names it: `ACCESS EXCLUSIVE`. */
  readonly mode: string;
  /** `users`, `app.users`; of an index, `the table of index users_idx`. */
  readonly table: string;
  /** What to do instead, or why it is short. */
  readonly hint: string;
}

// The table "Conflicting Lock Modes" of PostgreSQL's documentation, chapter 13.3.
const ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE";
const SHARE = "SHARE";
const SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE";

const BRIEF = "It is held until the transaction ends: keep the file small.";
const SCANS = "The whole table is read under it.";
const REWRITES = "The whole table is rewritten under it.";

/** The strong locks of each statement of a file, but for those on tables that the file makes. */
export function strongLocks(trees: readonly Node[]): readonly (readonly StrongLock[])[] {
  const made = new Set(
    trees.flatMap(madeBy).flatMap(({ kind, path }) => (kind === "table" ? shortName(path) : [])),
  );
  return trees.map((tree) =>
    (readNode(tree, READERS) ?? []).filter(({ table }) => !made.has(table)),
  );
}

function lockPath(mode: string, path: Path, hint: string): readonly StrongLock[] {
  return path.length === 0 ? [] : [{ mode, table: shortName(path), hint }];
}

function lock(mode: string, table: RangeVar | undefined, hint = BRIEF): readonly StrongLock[] {
  return lockPath(mode, pathOfTable(table ?? {}), hint);
}

const READERS: Readers<readonly StrongLock[]> = {
  AlterTableStmt: ({ relation, objtype, cmds = [] }) =>
    objtype === "OBJECT_TABLE"
      ? strongest(cmds.flatMap((command) => commandLocks(relation, command)))
      : [],
  IndexStmt: ({ concurrent, relation }) =>
    concurrent ? [] : lock(SHARE, relation, `${SCANS} CREATE INDEX CONCURRENTLY lets writes pass.`),
  RenameStmt: ({ renameType = "", relation }) =>
    OF_TABLES.has(renameType) ? lock(ACCESS_EXCLUSIVE, relation) : [],
  AlterObjectSchemaStmt: ({ objectType, relation }) =>
    objectType === "OBJECT_TABLE" ? lock(ACCESS_EXCLUSIVE, relation) : [],
  DropStmt: ({ removeType = "", objects = [], concurrent }) =>
    concurrent ? [] : objects.flatMap((object) => dropLocks(removeType, pathOf(object))),
  TruncateStmt: ({ relations = [] }) =>
    relations.flatMap((table) => lockPath(ACCESS_EXCLUSIVE, pathOf(table), BRIEF)),
  CreateTrigStmt: ({ relation }) => lock(SHARE_ROW_EXCLUSIVE, relation),
  CreatePolicyStmt: ({ table }) => lock(ACCESS_EXCLUSIVE, table),
  AlterPolicyStmt: ({ table }) => lock(ACCESS_EXCLUSIVE, table),
  RuleStmt: ({ relation }) => lock(ACCESS_EXCLUSIVE, relation),
  RefreshMatViewStmt: ({ concurrent, relation }) =>
    concurrent ? [] : lock(ACCESS_EXCLUSIVE, relation, `${SCANS} CONCURRENTLY lets readers pass.`),
  ClusterStmt: ({ relation }) => lock(ACCESS_EXCLUSIVE, relation, REWRITES),
  ReindexStmt: ({ relation, params = [] }) =>
    params.some((param) => "DefElem" in param && param.DefElem.defname === "concurrently")
      ? []
      : lock(SHARE, relation, "REINDEX … CONCURRENTLY lets writes pass."),
  LockStmt: ({ relations = [], mode = 0 }) => {
    const name = MODES[mode];
    return name === undefined
      ? []
      : relations.flatMap((table) => lockPath(name, pathOf(table), BRIEF));
  },
};

/** By their numbers in the server, from SHARE on: the weaker ones let writes pass. */
const MODES: Readonly<Record<number, string>> = {
  5: SHARE,
  6: SHARE_ROW_EXCLUSIVE,
  7: "EXCLUSIVE",
  8: ACCESS_EXCLUSIVE,
};

const OF_TABLES: ReadonlySet<string> = new Set([
  "OBJECT_TABLE",
  "OBJECT_COLUMN",
  "OBJECT_TABCONSTRAINT",
  "OBJECT_POLICY",
  "OBJECT_TRIGGER",
]);

/** One statement takes each lock once; its strongest reason is the one to know. */
function strongest(locks: readonly StrongLock[]): readonly StrongLock[] {
  const byTable = new Map<string, StrongLock>();
  for (const found of locks) {
    const known = byTable.get(found.table);
    if (known === undefined || rank(found) > rank(known)) byTable.set(found.table, found);
  }
  return [...byTable.values()];
}

function rank({ mode, hint }: StrongLock): number {
  return (mode === ACCESS_EXCLUSIVE ? 2 : 0) + (hint === BRIEF ? 0 : 1);
}

function commandLocks(relation: RangeVar | undefined, node: Node): readonly StrongLock[] {
  const { subtype, def } = "AlterTableCmd" in node ? node.AlterTableCmd : {};
  const partition = def && "PartitionCmd" in def ? def.PartitionCmd : undefined;
  switch (subtype) {
    // SHARE UPDATE EXCLUSIVE or less: neither readers nor writers wait.
    case "AT_ValidateConstraint":
    case "AT_SetStatistics":
    case "AT_ClusterOn":
    case "AT_DropCluster":
      return [];
    case "AT_AddConstraint":
      return def && "Constraint" in def ? constraintLocks(relation, def.Constraint) : [];
    case "AT_AlterColumnType":
      return lock(ACCESS_EXCLUSIVE, relation, REWRITES);
    case "AT_SetNotNull":
      return lock(
        ACCESS_EXCLUSIVE,
        relation,
        `${SCANS} To avoid that, add a CHECK (… IS NOT NULL) NOT VALID and validate it first.`,
      );
    case "AT_AttachPartition":
      return lock(ACCESS_EXCLUSIVE, partition?.name, SCANS);
    case "AT_DetachPartition":
      return partition?.concurrent
        ? []
        : lock(ACCESS_EXCLUSIVE, relation, "DETACH PARTITION … CONCURRENTLY lets others pass.");
    default:
      return lock(ACCESS_EXCLUSIVE, relation);
  }
}

function constraintLocks(
  relation: RangeVar | undefined,
  { contype, pktable, skip_validation }: Constraint,
): readonly StrongLock[] {
  const validated = skip_validation
    ? BRIEF
    : `${SCANS} To avoid that, add it NOT VALID, and VALIDATE CONSTRAINT in a later file.`;
  switch (contype) {
    case "CONSTR_FOREIGN":
      return [relation, pktable].flatMap((table) => lock(SHARE_ROW_EXCLUSIVE, table, validated));
    case "CONSTR_CHECK":
      return lock(ACCESS_EXCLUSIVE, relation, validated);
    default:
      return lock(
        ACCESS_EXCLUSIVE,
        relation,
        `${SCANS} To avoid that, build an index CONCURRENTLY first, and ADD CONSTRAINT … USING INDEX.`,
      );
  }
}

function dropLocks(removeType: string, path: Path): readonly StrongLock[] {
  switch (removeType) {
    case "OBJECT_TABLE":
      return lockPath(ACCESS_EXCLUSIVE, path, BRIEF);
    case "OBJECT_TRIGGER":
    case "OBJECT_POLICY":
    case "OBJECT_RULE":
      return lockPath(ACCESS_EXCLUSIVE, path.slice(0, -1), BRIEF);
    case "OBJECT_INDEX":
      return [
        {
          mode: ACCESS_EXCLUSIVE,
          table: `the table of index ${shortName(path)}`,
          hint: `${BRIEF} DROP INDEX CONCURRENTLY lets others pass.`,
        },
      ];
    default:
      return [];
  }
}
