import { loadModule, parseSync } from "libpg-query";

export interface RolesOfFiles {
  /** Named, and not made: sorted. */
  readonly named: readonly string[];
  /** Made by `CREATE ROLE`, or by giving another its name. */
  readonly made: readonly string[];
}

/**
 * Roles that SQL names: whom it grants to, who owns, whom a policy is for. A file that does not parse
 * names none; what a DO block says is not looked into.
 */
export async function readRoles(files: readonly string[]): Promise<RolesOfFiles> {
  await loadModule();
  const named = new Set<string>();
  const made = new Set<string>();
  for (const sql of files) collect(treeOf(sql), named, made);
  return {
    named: [...named].filter((name) => !made.has(name)).toSorted(),
    made: [...made].toSorted(),
  };
}

function treeOf(sql: string): unknown {
  try {
    return parseSync(sql);
  } catch {
    // Whoever runs the file says what is wrong with it.
    return undefined;
  }
}

type Tree = Readonly<Record<string, unknown>>;

function collect(node: unknown, named: Set<string>, made: Set<string>): void {
  if (typeof node !== "object" || node === null) return;
  for (const [key, value] of Object.entries(node)) {
    const tree = (value ?? {}) as Tree;
    // Of a RoleSpec, wherever it stands; CURRENT_USER and PUBLIC have no name.
    add(named, tree.rolename);
    SPECIAL[key]?.(tree, named, made);
    collect(value, named, made);
  }
}

/** Statements in which a role is no RoleSpec. */
const SPECIAL: Readonly<
  Record<string, (tree: Tree, named: Set<string>, made: Set<string>) => void>
> = {
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

function add(names: Set<string>, name: unknown): void {
  // Predefined ones are everywhere, and "none" is no role.
  if (typeof name !== "string" || name === "" || name === "none" || name.startsWith("pg_")) return;
  names.add(name);
}
