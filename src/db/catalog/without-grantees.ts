import type { StableId } from "@supabase/pg-delta/core";
import { type CatalogContents, rebuilt } from "./contents.ts";
import type { Trait } from "./traits.ts";

/** The catalog as if nothing had ever been granted to these roles. */
export function withoutGranteesOf(
  contents: CatalogContents,
  roles: ReadonlySet<string>,
): CatalogContents {
  const base = contents.facts;
  const stays = (id: StableId) =>
    !((id.kind === "acl" || id.kind === "defaultPrivilege") && roles.has(id.grantee));
  const facts = base.facts().filter(({ id }) => stays(id));
  const edges = base.edges.filter(({ from, to }) => stays(from) && stays(to));
  return {
    ...contents,
    facts: rebuilt(base, facts, edges),
    traits: contents.traits.flatMap((trait) => withoutGrants(trait, roles)),
  };
}

/** Of a trait `grants`, one line for all: `app: SELECT, USAGE; other: SELECT`. */
function withoutGrants(trait: Trait, roles: ReadonlySet<string>): readonly Trait[] {
  if (trait.property !== "grants" || trait.value === null) return [trait];
  const kept = trait.value
    .split("; ")
    .filter((grant) => ![...roles].some((role) => grant.startsWith(`${role}: `)));
  return kept.length === 0 ? [] : [{ ...trait, value: kept.join("; ") }];
}
