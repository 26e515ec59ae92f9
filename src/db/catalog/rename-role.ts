import type { StableId } from "@supabase/pg-delta/core";
import { type CatalogContents, rebuilt } from "./contents.ts";

/** Everything that one role owns, holds and is named in becomes another's, as if it had that name. */
export function renameRole(contents: CatalogContents, from: string, to: string): CatalogContents {
  const rename = (name: string) => (name === from ? to : name);
  const base = contents.facts;
  const renamed = base
    .facts()
    // The server may have a role of that name as well.
    .filter(({ id }) => !(id.kind === "role" && id.name === to))
    .map((fact) => ({
      ...fact,
      id: renameId(fact.id, rename),
      ...(fact.parent && { parent: renameId(fact.parent, rename) }),
      payload: renamePolicyRoles(fact.id, fact.payload, rename),
    }));
  const edges = base.edges.map((edge) => ({
    ...edge,
    from: renameId(edge.from, rename),
    to: renameId(edge.to, rename),
  }));
  return { ...contents, facts: rebuilt(base, renamed, edges) };
}

function renameId(id: StableId, rename: (name: string) => string): StableId {
  switch (id.kind) {
    case "role":
      return { ...id, name: rename(id.name) };
    case "acl":
      return { ...id, grantee: rename(id.grantee), target: renameId(id.target, rename) };
    case "comment":
    case "securityLabel":
      return { ...id, target: renameId(id.target, rename) };
    case "defaultPrivilege":
      return { ...id, role: rename(id.role), grantee: rename(id.grantee) };
    case "userMapping":
      return { ...id, role: rename(id.role) };
    case "membership":
      return { ...id, role: rename(id.role), member: rename(id.member) };
    default:
      return id;
  }
}

function renamePolicyRoles<T extends Readonly<Record<string, unknown>>>(
  { kind }: StableId,
  payload: T,
  rename: (name: string) => string,
): T {
  const { roles } = payload;
  if (kind !== "policy" || !Array.isArray(roles)) return payload;
  return { ...payload, roles: roles.map((role) => rename(String(role))).toSorted() };
}
