import { type BackfillDefinition, backfillProblem } from "./backfill-definition.ts";
import { backfillSqlProblem } from "./backfill-sql.ts";
import { CODE_KIND, type CodeDefinition, judgeExport } from "./definition.ts";

/** What the default export of a file of code is. */
export type Code =
  | CodeDefinition
  | { readonly kind: "backfill"; readonly backfill: BackfillDefinition };

/** What is wrong with a default export, or what it is. */
export async function judgeCode(
  exported: unknown,
): Promise<Code | { readonly kind: "bad"; readonly what: string }> {
  if (typeof exported !== "object" || exported === null) return judgeExport(exported);
  const { [CODE_KIND]: kind, ...given }: Record<PropertyKey, unknown> = { ...exported };
  if (kind !== "backfill") return judgeExport(exported);
  const backfill = given as unknown as BackfillDefinition;
  const problem = backfillProblem(given) ?? (await backfillSqlProblem(backfill));
  return problem === undefined
    ? { kind, backfill }
    : { kind: "bad", what: `defines a backfill that ${problem}` };
}
