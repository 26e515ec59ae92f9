import type { Node } from "libpg-query";
import { identifier } from "../../base/quote.ts";
import type { OutsideAction, ReindexScope } from "../ledger-types.ts";
import { maskSecrets } from "./secrets.ts";

/** A statement that PostgreSQL refuses inside a transaction block. */
export interface Outside {
  readonly action: OutsideAction;
  /** For messages: `CREATE INDEX CONCURRENTLY users_email_idx`. */
  readonly label: string;
  /** Waits for other sessions without holding any of them up: a `lock_timeout` only does harm. */
  readonly concurrent: boolean;
}

/** Told by the parsed tree; undefined for what a transaction can hold. */
export function outsideOf(tree: Node): Outside | undefined {
  if ("IndexStmt" in tree && tree.IndexStmt.concurrent) {
    const { idxname = "", relation } = tree.IndexStmt;
    return concurrently("CREATE INDEX", idxname, {
      kind: "create-index",
      name: idxname,
      table: nameOf(relation),
    });
  }
  if ("DropStmt" in tree && tree.DropStmt.concurrent) {
    // More than one at a time is for the server to refuse.
    const index = qualified(tree.DropStmt.objects?.[0]);
    return concurrently("DROP INDEX", index, { kind: "drop-index", index });
  }
  if ("ReindexStmt" in tree) return reindexOf(tree.ReindexStmt);
  if ("AlterTableStmt" in tree) return detachOf(tree.AlterTableStmt);
  if ("VacuumStmt" in tree && tree.VacuumStmt.is_vacuumcmd) return repeatable("VACUUM");
  if ("ClusterStmt" in tree && tree.ClusterStmt.relation === undefined) {
    return repeatable("CLUSTER of all tables");
  }
  return undefined;
}

/** A statement of a file that asks for no transaction, where the tree does not tell more. */
export function unjudgeable(text: string): Outside {
  const words = maskSecrets(text).text.replaceAll(/\s+/g, " ").trim();
  const label = words.length > 60 ? `${words.slice(0, 59)}…` : words;
  return { action: { kind: "opaque" }, label, concurrent: false };
}

function concurrently(what: string, name: string, action: OutsideAction): Outside {
  return { action, label: `${what} CONCURRENTLY ${readable(name)}`.trim(), concurrent: true };
}

function repeatable(label: string): Outside {
  return { action: { kind: "repeatable" }, label, concurrent: false };
}

type TreeOf<K extends string> = Extract<Node, Record<K, unknown>>[K &
  keyof Extract<Node, Record<K, unknown>>];

const SCOPES: Readonly<Record<string, ReindexScope>> = {
  REINDEX_OBJECT_INDEX: "index",
  REINDEX_OBJECT_TABLE: "table",
  REINDEX_OBJECT_SCHEMA: "schema",
  REINDEX_OBJECT_DATABASE: "database",
};

function reindexOf(statement: TreeOf<"ReindexStmt">): Outside | undefined {
  const { kind = "", relation, name, params = [] } = statement;
  const scope = SCOPES[kind];
  const isConcurrent = params.some(
    (item) =>
      "DefElem" in item && item.DefElem.defname === "concurrently" && isOn(item.DefElem.arg),
  );
  const target = relation === undefined ? (name ?? null) : nameOf(relation);
  if (isConcurrent && scope !== undefined) {
    const what = `REINDEX ${scope.toUpperCase()}`;
    return concurrently(what, target ?? "", { kind: "reindex", scope, name: target });
  }
  const ofMany = scope !== "index" && scope !== "table";
  return ofMany ? repeatable(`REINDEX ${kind.replace("REINDEX_OBJECT_", "")}`) : undefined;
}

/** An option's value: `(CONCURRENTLY)`, `(CONCURRENTLY FALSE)`, `(CONCURRENTLY 0)`. */
function isOn(value: Node | undefined): boolean {
  if (value === undefined) return true;
  // A zero is left out of the tree.
  if ("Integer" in value) return Boolean(value.Integer.ival);
  return !("String" in value && /^(false|off)$/i.test(value.String.sval ?? ""));
}

function detachOf({ relation, cmds = [] }: TreeOf<"AlterTableStmt">): Outside | undefined {
  for (const item of cmds) {
    if (!("AlterTableCmd" in item)) continue;
    const { subtype, def } = item.AlterTableCmd;
    if (subtype !== "AT_DetachPartition" || def === undefined || !("PartitionCmd" in def)) continue;
    if (!def.PartitionCmd.concurrent) continue;
    const partition = nameOf(def.PartitionCmd.name);
    const action = { kind: "detach", table: nameOf(relation), partition } as const;
    return {
      action,
      label: `DETACH PARTITION ${readable(partition)} CONCURRENTLY`,
      // Its second half locks the partition while it waits for sessions that may still see it as one.
      concurrent: false,
    };
  }
  return undefined;
}

interface RangeVar {
  readonly schemaname?: string;
  readonly relname?: string;
}

/** A table's name as SQL, quoted. */
export function nameOf(relation: RangeVar | undefined): string {
  const { schemaname, relname = "" } = relation ?? {};
  return [...(schemaname === undefined ? [] : [schemaname]), relname].map(identifier).join(".");
}

/** Without the quotes that most names do not need. */
function readable(name: string): string {
  return name.replaceAll(/"([a-z_][a-z0-9_]*)"/g, "$1");
}

function qualified(node: Node | undefined): string {
  const items = node !== undefined && "List" in node ? (node.List.items ?? []) : [];
  const names = items.flatMap((item) =>
    "String" in item && item.String.sval !== undefined ? [item.String.sval] : [],
  );
  return names.map(identifier).join(".");
}
