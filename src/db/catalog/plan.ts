import type { FactBase } from "@supabase/pg-delta/core";
import { type Plan, plan } from "@supabase/pg-delta/plan";
import { CatalogError } from "./catalog-error.ts";
import type { CatalogContents } from "./read.ts";
import type { PlannedStatement } from "./types.ts";

/** @throws CatalogError `not_plannable` */
export function planStatements(
  from: CatalogContents,
  to: CatalogContents,
): readonly PlannedStatement[] {
  const { preamble, actions } = planWithin(from.facts, to.facts);
  if (actions.length === 0) return [];
  const settings = preamble.map(
    ({ name, value }): PlannedStatement => ({
      sql: `set ${name} = ${value}`,
      losesData: false,
      transaction: "inside",
    }),
  );
  const statements = actions.map(
    ({ sql, dataLoss, transactionality }): PlannedStatement => ({
      sql: sql.trimEnd().replace(/;$/, ""),
      losesData: dataLoss === "destructive",
      transaction: transactionality === "nonTransactional" ? "outside" : "inside",
    }),
  );
  return [...settings, ...statements];
}

function planWithin(from: FactBase, to: FactBase): Plan {
  const assumedRoles = [...from.facts(), ...to.facts()].flatMap(({ id }) =>
    id.kind === "role" ? [id.name] : [],
  );
  try {
    // Roles are the server's: no statement makes one, whoever owns and is granted is there.
    return plan(from, to, { scope: "database", assumedRoles });
  } catch (cause) {
    throw new CatalogError({
      code: "not_plannable",
      fact: `No statements lead from one catalog to the other: ${cause instanceof Error ? cause.message : String(cause)}`,
      remedy: "Write them by hand.",
      cause,
    });
  }
}
