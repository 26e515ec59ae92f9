import type { FactBase } from "@supabase/pg-delta/core";
import { type Plan, plan } from "@supabase/pg-delta/plan";
import { messageOf } from "../base/problem.ts";
import { CatalogError } from "./catalog-error.ts";
import type { CatalogContents } from "./contents.ts";

export interface PlannedStatement {
  /** One statement, without its semicolon; a function's body may hold some. */
  readonly sql: string;
  /** It drops rows, or the column or table that holds them. */
  readonly losesData: boolean;
  /** `outside`: it cannot run in a transaction block. */
  readonly transaction: "inside" | "outside";
}

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
    // Roles are the server's: no statement creates one, and owners and grantees are taken to exist.
    return plan(from, to, { scope: "database", assumedRoles });
  } catch (cause) {
    throw new CatalogError({
      code: "not_plannable",
      fact: `No statements turn one catalog into the other: ${messageOf(cause)}`,
      remedy: "Write them by hand.",
      cause,
    });
  }
}
