import type { ObjectType } from "libpg-query";
import { MigrateError } from "../migrate/index.ts";
import { type Readers, readNode, treesOf } from "./tree.ts";

interface NamedFile {
  readonly file: string;
  readonly sql: string;
}

/**
 * Statements that change what all databases of a server share: roles, memberships, databases,
 * tablespaces; with a label each, as `CREATE ROLE`. DO blocks are not looked into; a file that does
 * not parse has none.
 */
export async function serverWideIn(files: readonly NamedFile[]) {
  const found = files.map(async ({ file, sql }) =>
    (await treesOf(sql)).flatMap((tree) => {
      const label = readNode(tree, LABELS);
      return label === undefined ? [] : [{ file, label }];
    }),
  );
  return (await Promise.all(found)).flat();
}

const SHARED_OBJECTS: Readonly<Record<string, string>> = {
  OBJECT_DATABASE: "DATABASE",
  OBJECT_ROLE: "ROLE",
  OBJECT_TABLESPACE: "TABLESPACE",
  OBJECT_PARAMETER_ACL: "PARAMETER",
};

const ofShared = (verb: string, type: ObjectType | undefined) => {
  const object = SHARED_OBJECTS[type ?? ""];
  return object && `${verb} ${object}`;
};

const LABELS: Readers<string | undefined> = {
  CreateRoleStmt: () => "CREATE ROLE",
  AlterRoleStmt: () => "ALTER ROLE",
  AlterRoleSetStmt: () => "ALTER ROLE … SET",
  DropRoleStmt: () => "DROP ROLE",
  GrantRoleStmt: () => "GRANT or REVOKE of a role",
  AlterDatabaseStmt: () => "ALTER DATABASE",
  AlterDatabaseSetStmt: () => "ALTER DATABASE … SET",
  ReassignOwnedStmt: () => "REASSIGN OWNED",
  DropOwnedStmt: () => "DROP OWNED",
  GrantStmt: ({ objtype }) => ofShared("GRANT or REVOKE on a", objtype),
  RenameStmt: ({ renameType }) => ofShared("RENAME of a", renameType),
  AlterOwnerStmt: ({ objectType }) => ofShared("OWNER of a", objectType),
  CommentStmt: ({ objtype }) => ofShared("COMMENT on a", objtype),
};

/**
 * Refuses files that change what all databases of a server share: others on that server would see it.
 *
 * @throws MigrateError `config`, naming each statement
 */
export async function refuseServerWide(files: readonly NamedFile[]): Promise<void> {
  const statements = await serverWideIn(files);
  if (statements.length === 0) return;
  const list = statements.map(({ file, label }) => `\n  ${file}: ${label}`).join("");
  throw new MigrateError({
    code: "config",
    fact: `The migrations change what all databases of a server share:${list}`,
    outcome: "nothing-compared",
    remedy:
      "Others on the server of --scratch-url would see the change. " +
      "Leave out --scratch-url: a throw-away embedded PostgreSQL is used then.",
  });
}
