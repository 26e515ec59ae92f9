import { listed } from "../base/text.ts";
import { withoutGrantees } from "../catalog/index.ts";
import { readRoles } from "../sql-tree/roles.ts";
import type { LiveDatabase } from "./live.ts";
import type { AppliedFile } from "./replay-applied.ts";

/**
 * Leaves out the rights that no migration has given and every one of them gives on: those of a role to which the
 * maker's default privileges go, and which no file names. `tidemark init` gives them, or a DBA.
 */
export async function withoutRightsFromOutside(
  live: LiveDatabase,
  files: readonly AppliedFile[],
): Promise<{ readonly live: LiveDatabase; readonly notes: readonly string[] }> {
  if (live.defaultGrantees.length === 0) return { live, notes: [] };
  const { named, made } = await readRoles(files.map(({ sql }) => sql));
  const known = new Set([...named, ...made]);
  const roles = live.defaultGrantees.filter((role) => !known.has(role));
  if (roles.length === 0) return { live, notes: [] };
  return {
    live: { ...live, catalog: withoutGrantees(live.catalog, roles) },
    notes: [
      `Not compared: the rights of ${listed(roles)}, given by default privileges (as \`tidemark init\` sets them) and named in no migration.`,
    ],
  };
}
