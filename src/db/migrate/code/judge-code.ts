import { type BackfillDefinition, backfillProblem } from "./backfill-definition.ts";
import { CODE_KIND, type CodeDefinition, judgeExport } from "./definition.ts";

/** What the default export of a file of code is. */
export type Code =
  | CodeDefinition
  | { readonly kind: "backfill"; readonly backfill: BackfillDefinition };

/** What is wrong with a default export, or what it is. */
export function judgeCode(
  exported: unknown,
): Code | { readonly kind: "bad"; readonly what: string } {
  if (typeof exported !== "object" || exported === null) return judgeExport(exported);
  const { [CODE_KIND]: kind, ...given }: Record<PropertyKey, unknown> = { ...exported };
  if (kind !== "backfill") return judgeExport(exported);
  const problem = backfillProblem(given);
  return problem === undefined
    ? { kind, backfill: given as unknown as BackfillDefinition }
    : { kind: "bad", what: `defines a backfill that ${problem}` };
}
