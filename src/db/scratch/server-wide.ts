import { loadModule, parseSync } from "libpg-query";
import { MigrateError } from "../migrate/index.ts";

export interface NamedFile {
  readonly file: string;
  readonly sql: string;
}

/** A statement that reaches beyond its database. */
export interface ServerWideStatement {
  readonly file: string;
  /** `CREATE ROLE`. */
  readonly label: string;
}

/**
 * Statements that change what all databases of a server share: roles, memberships, databases,
 * tablespaces. What a DO block does is not looked into; a file that does not parse has none.
 */
export async function serverWideIn(
  files: readonly NamedFile[],
): Promise<readonly ServerWideStatement[]> {
  await loadModule();
  return files.flatMap(({ file, sql }) => labelsOf(sql).map((label) => ({ file, label })));
}

function labelsOf(sql: string): readonly string[] {
  try {
    const { stmts } = parseSync(sql) as { readonly stmts?: readonly { readonly stmt?: object }[] };
    return (stmts ?? []).flatMap(({ stmt }) =>
      Object.entries(stmt ?? {}).flatMap(([kind, tree]) => labelOf(kind, tree) ?? []),
    );
  } catch {
    // Whoever runs the file says what is wrong with it.
    return [];
  }
}

const ALWAYS: Readonly<Record<string, string>> = {
  CreateRoleStmt: "CREATE ROLE",
  AlterRoleStmt: "ALTER ROLE",
  AlterRoleSetStmt: "ALTER ROLE … SET",
  DropRoleStmt: "DROP ROLE",
  GrantRoleStmt: "GRANT or REVOKE of a role",
  AlterDatabaseStmt: "ALTER DATABASE",
  AlterDatabaseSetStmt: "ALTER DATABASE … SET",
  ReassignOwnedStmt: "REASSIGN OWNED",
  DropOwnedStmt: "DROP OWNED",
};

const SHARED_OBJECTS: Readonly<Record<string, string>> = {
  OBJECT_DATABASE: "DATABASE",
  OBJECT_ROLE: "ROLE",
  OBJECT_TABLESPACE: "TABLESPACE",
  OBJECT_PARAMETER_ACL: "PARAMETER",
};

type Tree = Readonly<Record<string, unknown>>;

function labelOf(kind: string, tree: Tree): string | undefined {
  const shared = (value: unknown) => SHARED_OBJECTS[String(value)];
  const inWords = (verb: string, object: string | undefined) =>
    object === undefined ? undefined : `${verb} ${object}`;
  switch (kind) {
    case "GrantStmt":
      return inWords("GRANT or REVOKE on a", shared(tree.objtype));
    case "RenameStmt":
      return inWords("RENAME of a", shared(tree.renameType));
    case "AlterOwnerStmt":
      return inWords("OWNER of a", shared(tree.objectType));
    case "CommentStmt":
      return inWords("COMMENT on a", shared(tree.objtype));
    default:
      return ALWAYS[kind];
  }
}

/**
 * Refuses files that change what all databases of a server share: on another's server others would see
 * it.
 *
 * @throws MigrateError `config`, naming each statement
 */
export async function refuseServerWide(files: Parameters<typeof serverWideIn>[0]): Promise<void> {
  const statements = await serverWideIn(files);
  if (statements.length === 0) return;
  const list = statements.map(({ file, label }) => `\n  ${file}: ${label}`).join("");
  throw new MigrateError({
    code: "config",
    fact: `The migrations change what all databases of a server share:${list}`,
    outcome: "nothing-compared",
    remedy:
      "Others on the server of --scratch-url would see it. " +
      "Leave --scratch-url out: a throw-away embedded PostgreSQL is used then.",
  });
}
