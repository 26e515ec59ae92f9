import { nodesIn, treesOf } from "./tree.ts";

/**
 * Roles that SQL names: grantees, owners, those a policy applies to. A file that does not parse
 * names none; DO blocks are not looked into.
 */
export async function readRoles(files: readonly string[]) {
  const named = new Set<string>();
  const made = new Set<string>();
  for (const sql of files) {
    for (const [field, body] of nodesIn(await treesOf(sql))) {
      // Of a RoleSpec, wherever it stands; CURRENT_USER and PUBLIC have no name.
      add(named, (body as Tree).rolename);
      SPECIAL[field]?.(body as Tree, named, made);
    }
  }
  return {
    /** Named, and not made: sorted. */
    named: [...named].filter((name) => !made.has(name)).toSorted(),
    /** Made by `CREATE ROLE`, or by renaming another. */
    made: [...made].toSorted(),
  };
}

type Tree = Readonly<Record<string, unknown>>;
type Names = Set<string>;

/** Statements in which a role is no RoleSpec. */
const SPECIAL: Readonly<Record<string, (tree: Tree, named: Names, made: Names) => void>> = {
  CreateRoleStmt: ({ role }, _named, made) => add(made, role),
  RenameStmt: ({ renameType, subname, newname }, named, made) => {
    if (renameType !== "OBJECT_ROLE") return;
    add(named, subname);
    add(made, newname);
  },
  GrantRoleStmt: ({ granted_roles }, named) => {
    for (const granted of (granted_roles ?? []) as readonly { AccessPriv?: Tree }[]) {
      add(named, granted.AccessPriv?.priv_name);
    }
  },
  VariableSetStmt: ({ name, args }, named) => {
    if (name !== "role" && name !== "session_authorization") return;
    for (const arg of (args ?? []) as readonly { A_Const?: { sval?: Tree } }[]) {
      add(named, arg.A_Const?.sval?.sval);
    }
  },
};

function add(names: Names, name: unknown): void {
  // Predefined ones are everywhere, and "none" is no role.
  if (typeof name !== "string" || name === "" || name === "none" || name.startsWith("pg_")) return;
  names.add(name);
}
