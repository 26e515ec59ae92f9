import { pathOfRelation, pathOfTexts, type Relation, type Text, treesOf } from "./statements.ts";

/**
 * Names of what each statement of a file makes, as people write them: `users`, `app.users`, `users.name`
 * of a column, constraint or policy, `schema app`, `role reader`. What DO blocks and functions make is not
 * seen.
 */
export async function namesMade(sql: string): Promise<readonly (readonly string[])[]> {
  return (await treesOf(sql)).map((tree) =>
    Object.entries(tree).flatMap(([kind, body]) => MAKERS[kind]?.((body ?? {}) as Made) ?? []),
  );
}

/** What is read of the statements that make something. */
interface Made {
  readonly relation?: Relation;
  readonly into?: { readonly rel?: Relation };
  readonly view?: Relation;
  readonly sequence?: Relation;
  readonly typevar?: Relation;
  readonly table?: Relation;
  readonly typeName?: readonly Text[];
  readonly domainname?: readonly Text[];
  readonly idxname?: string;
  readonly schemaname?: string;
  readonly role?: string;
  readonly policy_name?: string;
  readonly newname?: string;
  readonly newschema?: string;
  readonly renameType?: string;
  readonly tableElts?: readonly Element[];
  readonly cmds?: readonly { readonly AlterTableCmd?: { readonly def?: Element } }[];
}

interface Element {
  readonly ColumnDef?: {
    readonly colname?: string;
    readonly constraints?: readonly Element[];
  };
  readonly Constraint?: { readonly conname?: string; readonly contype?: string };
}

const MAKERS: Readonly<Record<string, (made: Made) => readonly string[]>> = {
  CreateStmt: ({ relation, tableElts = [] }) => [
    ...whole(relation),
    ...tableElts.flatMap((element) => partsOf(relation, element)),
  ],
  AlterTableStmt: ({ relation, cmds = [] }) =>
    cmds.flatMap(({ AlterTableCmd }) => partsOf(relation, AlterTableCmd?.def ?? {})),
  CreateTableAsStmt: ({ into }) => whole(into?.rel),
  ViewStmt: ({ view }) => whole(view),
  CreateSeqStmt: ({ sequence }) => whole(sequence),
  IndexStmt: ({ relation, idxname }) => beside(relation, idxname),
  CreateEnumStmt: ({ typeName }) => [nameOf(pathOfTexts(typeName))],
  CreateRangeStmt: ({ typeName }) => [nameOf(pathOfTexts(typeName))],
  CreateDomainStmt: ({ domainname }) => [nameOf(pathOfTexts(domainname))],
  CompositeTypeStmt: ({ typevar }) => whole(typevar),
  CreatePolicyStmt: ({ table, policy_name }) => within(table, policy_name),
  CreateSchemaStmt: ({ schemaname }) => (schemaname === undefined ? [] : [`schema ${schemaname}`]),
  CreateRoleStmt: ({ role }) => (role === undefined ? [] : [`role ${role}`]),
  RenameStmt: ({ relation, renameType = "", newname }) =>
    PARTS.has(renameType) ? within(relation, newname) : beside(relation, newname),
  AlterObjectSchemaStmt: ({ relation, newschema }) =>
    relation === undefined || newschema === undefined
      ? []
      : whole({ ...relation, schemaname: newschema }),
};

const PARTS: ReadonlySet<string> = new Set([
  "OBJECT_COLUMN",
  "OBJECT_TABCONSTRAINT",
  "OBJECT_POLICY",
]);

/** Of these an index has the name too, which stands beside the table. */
const INDEXED: ReadonlySet<string> = new Set([
  "CONSTR_PRIMARY",
  "CONSTR_UNIQUE",
  "CONSTR_EXCLUSION",
]);

function partsOf(
  table: Relation | undefined,
  { ColumnDef, Constraint }: Element,
): readonly string[] {
  const { colname, constraints = [] } = ColumnDef ?? {};
  const { conname, contype = "" } = Constraint ?? {};
  return [
    ...within(table, colname),
    ...constraints.flatMap((constraint) => partsOf(table, constraint)),
    ...within(table, conname),
    ...(INDEXED.has(contype) ? beside(table, conname) : []),
  ];
}

function whole(relation: Relation | undefined): readonly string[] {
  return relation === undefined ? [] : [nameOf(pathOfRelation(relation))];
}

function within(table: Relation | undefined, name: string | undefined): readonly string[] {
  if (table === undefined || name === undefined) return [];
  return [nameOf([...pathOfRelation(table), name])];
}

function beside(table: Relation | undefined, name: string | undefined): readonly string[] {
  if (table === undefined || name === undefined) return [];
  return [nameOf([...pathOfRelation(table).slice(0, -1), name])];
}

/** One without a schema is found on the search path, which begins at `public`. */
export function nameOf(path: readonly string[]): string {
  return (path[0] === "public" && path.length > 1 ? path.slice(1) : path).join(".");
}
