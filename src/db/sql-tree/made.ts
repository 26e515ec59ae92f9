import type { Node, RangeVar } from "libpg-query";
import {
  type Path,
  pathOfTable,
  pathOfTexts,
  type Readers,
  readNode,
  shortName,
  treesOf,
} from "./tree.ts";

/** Something that a statement makes, or gives its name. */
export interface Made {
  readonly kind: "table" | "enum" | "sequence" | "schema" | "role" | "other";
  /** Schema where it is written, name; of a column, constraint or policy, its table before it. */
  readonly path: Path;
}

/** What a statement makes. What DO blocks and functions make is not seen. */
export function madeBy(tree: Node): readonly Made[] {
  return readNode(tree, READERS) ?? [];
}

/** Names of what each statement of a file makes: `app.users`, `users.name`, `schema app`, `role reader`. */
export async function namesMade(sql: string): Promise<readonly (readonly string[])[]> {
  return (await treesOf(sql)).map((tree) =>
    madeBy(tree).map(({ kind, path }) =>
      kind === "schema" || kind === "role" ? `${kind} ${path.join()}` : shortName(path),
    ),
  );
}

const READERS: Readers<readonly Made[]> = {
  CreateStmt: ({ relation, tableElts = [] }) => [
    ...whole("table", relation),
    ...tableElts.flatMap((element) => partsOf(relation, element)),
  ],
  AlterTableStmt: ({ relation, cmds = [] }) =>
    cmds.flatMap((command) =>
      "AlterTableCmd" in command ? partsOf(relation, command.AlterTableCmd.def) : [],
    ),
  CreateTableAsStmt: ({ into }) => whole("table", into?.rel),
  ViewStmt: ({ view }) => whole("other", view),
  CreateSeqStmt: ({ sequence }) => whole("sequence", sequence),
  IndexStmt: ({ relation, idxname }) => beside(relation, idxname),
  CreateEnumStmt: ({ typeName }) => [{ kind: "enum", path: pathOfTexts(typeName) }],
  CreateRangeStmt: ({ typeName }) => [{ kind: "other", path: pathOfTexts(typeName) }],
  CreateDomainStmt: ({ domainname }) => [{ kind: "other", path: pathOfTexts(domainname) }],
  CompositeTypeStmt: ({ typevar }) => whole("other", typevar),
  CreatePolicyStmt: ({ table, policy_name }) => within(table, policy_name),
  CreateSchemaStmt: ({ schemaname }) => named("schema", schemaname),
  CreateRoleStmt: ({ role }) => named("role", role),
  RenameStmt: ({ relation, renameType = "", newname }) =>
    PARTS.has(renameType) ? within(relation, newname) : beside(relation, newname),
  AlterObjectSchemaStmt: ({ relation, newschema }) =>
    relation && newschema ? whole("other", { ...relation, schemaname: newschema }) : [],
};

const PARTS: ReadonlySet<string> = new Set([
  "OBJECT_COLUMN",
  "OBJECT_TABCONSTRAINT",
  "OBJECT_POLICY",
]);

/** An index has the name of these too, and stands beside the table. */
const INDEXED: ReadonlySet<string> = new Set([
  "CONSTR_PRIMARY",
  "CONSTR_UNIQUE",
  "CONSTR_EXCLUSION",
]);

function partsOf(table: RangeVar | undefined, element: Node | undefined): readonly Made[] {
  if (element !== undefined && "ColumnDef" in element) {
    const { colname, constraints = [] } = element.ColumnDef;
    return [
      ...within(table, colname),
      ...constraints.flatMap((constraint) => partsOf(table, constraint)),
    ];
  }
  if (element === undefined || !("Constraint" in element)) return [];
  const { conname, contype = "" } = element.Constraint;
  return [...within(table, conname), ...(INDEXED.has(contype) ? beside(table, conname) : [])];
}

function named(kind: Made["kind"], name: string | undefined): readonly Made[] {
  return name === undefined ? [] : [{ kind, path: [name] }];
}

function whole(kind: Made["kind"], relation: RangeVar | undefined): readonly Made[] {
  return relation === undefined ? [] : [{ kind, path: pathOfTable(relation) }];
}

function within(table: RangeVar | undefined, name: string | undefined): readonly Made[] {
  if (table === undefined || name === undefined) return [];
  return [{ kind: "other", path: [...pathOfTable(table), name] }];
}

function beside(table: RangeVar | undefined, name: string | undefined): readonly Made[] {
  if (table === undefined || name === undefined) return [];
  return [{ kind: "other", path: [...pathOfTable(table).slice(0, -1), name] }];
}
