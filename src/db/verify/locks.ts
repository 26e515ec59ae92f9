import type { Node } from "libpg-query";

/** A lock that a statement takes on a table, strong enough to stop others' writes. */
export interface StrongLock {
  /** As LOCK TABLE names it: `ACCESS EXCLUSIVE`. */
  readonly mode: string;
  /** `users`, `app.users`; of an index, `the table of index users_idx`. */
  readonly table: string;
  /** What to do instead, or why it is short. */
  readonly hint: string;
}

type Tree = Readonly<Record<string, unknown>>;
type Relation = { readonly schemaname?: string; readonly relname?: string };

// The table "Conflicting Lock Modes" of PostgreSQL's documentation, chapter 13.3.
const ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE";
const SHARE = "SHARE";
const SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE";

const BRIEF = "It is held until the transaction ends: keep the file small.";
const SCANS = "The whole table is read under it.";
const REWRITES = "The whole table is written anew under it.";

/** The strong locks of a statement on tables that are not among those made in the same file. */
export function strongLocks(tree: Node, made: ReadonlySet<string>): readonly StrongLock[] {
  return Object.entries(tree).flatMap(([kind, body]) =>
    (READERS[kind]?.((body ?? {}) as Tree) ?? []).filter(({ table }) => !made.has(keyOf(table))),
  );
}

/** Tables that a statement makes, in the form in which `strongLocks` takes them. */
export function tablesMade(tree: Node): readonly string[] {
  return Object.entries(tree).flatMap(([kind, body]) => {
    const { relation, into } = (body ?? {}) as { relation?: Relation; into?: { rel?: Relation } };
    if (kind === "CreateStmt" && relation) return [keyOf(nameOf(relation))];
    if (kind === "CreateTableAsStmt" && into?.rel) return [keyOf(nameOf(into.rel))];
    return [];
  });
}

/** A name without a schema is one in public. */
function keyOf(name: string): string {
  return name.replace(/^public\./, "");
}

function nameOf({ schemaname, relname = "" }: Relation): string {
  return schemaname === undefined ? relname : `${schemaname}.${relname}`;
}

function lock(mode: string, relation: unknown, hint: string): readonly StrongLock[] {
  return relation ? [{ mode, table: nameOf(relation as Relation), hint }] : [];
}

const READERS: Readonly<Record<string, (body: Tree) => readonly StrongLock[]>> = {
  AlterTableStmt: alterLocks,
  IndexStmt: ({ concurrent, relation }) =>
    concurrent ? [] : lock(SHARE, relation, `${SCANS} CREATE INDEX CONCURRENTLY lets writes pass.`),
  RenameStmt: ({ renameType, relation }) =>
    OF_TABLES.has(String(renameType)) ? lock(ACCESS_EXCLUSIVE, relation, BRIEF) : [],
  AlterObjectSchemaStmt: ({ objectType, relation }) =>
    objectType === "OBJECT_TABLE" ? lock(ACCESS_EXCLUSIVE, relation, BRIEF) : [],
  DropStmt: dropLocks,
  TruncateStmt: ({ relations }) =>
    ((relations ?? []) as readonly { RangeVar?: Relation }[]).flatMap(({ RangeVar }) =>
      lock(ACCESS_EXCLUSIVE, RangeVar, BRIEF),
    ),
  CreateTrigStmt: ({ relation }) => lock(SHARE_ROW_EXCLUSIVE, relation, BRIEF),
  CreatePolicyStmt: ({ table }) => lock(ACCESS_EXCLUSIVE, table, BRIEF),
  AlterPolicyStmt: ({ table }) => lock(ACCESS_EXCLUSIVE, table, BRIEF),
  RuleStmt: ({ relation }) => lock(ACCESS_EXCLUSIVE, relation, BRIEF),
  RefreshMatViewStmt: ({ concurrent, relation }) =>
    concurrent ? [] : lock(ACCESS_EXCLUSIVE, relation, `${SCANS} CONCURRENTLY lets readers pass.`),
  ClusterStmt: ({ relation }) => lock(ACCESS_EXCLUSIVE, relation, REWRITES),
  ReindexStmt: ({ relation, params }) =>
    JSON.stringify(params ?? []).includes('"concurrently"')
      ? []
      : lock(SHARE, relation, "REINDEX … CONCURRENTLY lets writes pass."),
  LockStmt: ({ relations, mode }) =>
    Number(mode) < FIRST_STRONG
      ? []
      : ((relations ?? []) as readonly { RangeVar?: Relation }[]).flatMap(({ RangeVar }) =>
          lock(MODES[Number(mode)] ?? ACCESS_EXCLUSIVE, RangeVar, BRIEF),
        ),
};

/** By their numbers in the server; those from SHARE on stop writes. */
const MODES: Readonly<Record<number, string>> = {
  5: SHARE,
  6: SHARE_ROW_EXCLUSIVE,
  7: "EXCLUSIVE",
  8: ACCESS_EXCLUSIVE,
};
const FIRST_STRONG = 5;

const OF_TABLES: ReadonlySet<string> = new Set([
  "OBJECT_TABLE",
  "OBJECT_COLUMN",
  "OBJECT_TABCONSTRAINT",
  "OBJECT_POLICY",
  "OBJECT_TRIGGER",
]);

interface AlterCommand {
  readonly subtype?: string;
  readonly def?: {
    readonly Constraint?: { contype?: string; pktable?: Relation; skip_validation?: boolean };
    readonly ColumnDef?: {
      readonly constraints?: readonly { Constraint?: { contype?: string } }[];
    };
    readonly PartitionCmd?: { readonly name?: Relation; readonly concurrent?: boolean };
  };
}

// SHARE UPDATE EXCLUSIVE or less: neither readers nor writers wait.
const WEAK: ReadonlySet<string | undefined> = new Set([
  "AT_ValidateConstraint",
  "AT_SetStatistics",
  "AT_ClusterOn",
  "AT_DropCluster",
]);

function alterLocks({ relation, objtype, cmds }: Tree): readonly StrongLock[] {
  if (objtype !== "OBJECT_TABLE") return [];
  const locks = ((cmds ?? []) as readonly { AlterTableCmd?: AlterCommand }[]).flatMap(
    ({ AlterTableCmd: command = {} }) => commandLocks(relation, command),
  );
  // One statement takes each lock once; its strongest reason is the one to know.
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

function commandLocks(
  relation: unknown,
  { subtype, def = {} }: AlterCommand,
): readonly StrongLock[] {
  if (WEAK.has(subtype)) return [];
  const { Constraint: constraint, PartitionCmd: partition } = def;
  switch (subtype) {
    case "AT_AddConstraint":
      return constraint ? constraintLocks(relation, constraint) : [];
    case "AT_AlterColumnType":
      return lock(ACCESS_EXCLUSIVE, relation, REWRITES);
    case "AT_SetNotNull":
      return lock(
        ACCESS_EXCLUSIVE,
        relation,
        `${SCANS} A CHECK (… IS NOT NULL) NOT VALID, validated before, saves that.`,
      );
    case "AT_AttachPartition":
      return lock(ACCESS_EXCLUSIVE, partition?.name, SCANS);
    case "AT_DetachPartition":
      return partition?.concurrent
        ? []
        : lock(ACCESS_EXCLUSIVE, relation, "DETACH PARTITION … CONCURRENTLY lets others pass.");
    default:
      return lock(ACCESS_EXCLUSIVE, relation, BRIEF);
  }
}

function constraintLocks(
  relation: unknown,
  {
    contype,
    pktable,
    skip_validation,
  }: { contype?: string; pktable?: Relation; skip_validation?: boolean },
): readonly StrongLock[] {
  const validated = skip_validation
    ? BRIEF
    : `${SCANS} NOT VALID, and VALIDATE CONSTRAINT in a later file, saves that.`;
  if (contype === "CONSTR_FOREIGN") {
    return [
      ...lock(SHARE_ROW_EXCLUSIVE, relation, validated),
      ...lock(SHARE_ROW_EXCLUSIVE, pktable, validated),
    ];
  }
  if (contype === "CONSTR_CHECK") return lock(ACCESS_EXCLUSIVE, relation, validated);
  return lock(
    ACCESS_EXCLUSIVE,
    relation,
    `${SCANS} An index built CONCURRENTLY before, and ADD CONSTRAINT … USING INDEX, saves that.`,
  );
}

function dropLocks({ removeType, objects, concurrent }: Tree): readonly StrongLock[] {
  const paths = ((objects ?? []) as readonly { List?: { items?: readonly PathPart[] } }[]).map(
    ({ List }) => (List?.items ?? []).flatMap(({ String: text }) => text?.sval ?? []),
  );
  switch (removeType) {
    case "OBJECT_TABLE":
      return paths.map((path) => ({ mode: ACCESS_EXCLUSIVE, table: path.join("."), hint: BRIEF }));
    case "OBJECT_TRIGGER":
    case "OBJECT_POLICY":
    case "OBJECT_RULE":
      return paths.map((path) => {
        const table = path.slice(0, -1).join(".");
        return { mode: ACCESS_EXCLUSIVE, table, hint: BRIEF };
      });
    case "OBJECT_INDEX":
      if (concurrent) return [];
      return paths.map((path) => {
        const table = `the table of index ${path.join(".")}`;
        const hint = `${BRIEF} DROP INDEX CONCURRENTLY lets others pass.`;
        return { mode: ACCESS_EXCLUSIVE, table, hint };
      });
    default:
      return [];
  }
}

interface PathPart {
  readonly String?: { readonly sval?: string };
}
