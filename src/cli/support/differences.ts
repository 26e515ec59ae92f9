import type { DriftReport } from "../../db/drift/index.ts";
import type { Output } from "./output.ts";

/** Differences between two catalogs, each as a block of three lines. */
export async function differencesText(
  differences: DriftReport["differences"],
  { colors }: Pick<Output, "colors">,
): Promise<string> {
  const { expectedAndFound } = await import("../../db/catalog/index.ts");
  return differences
    .map((difference) => {
      const { kind, name } = difference;
      const { expected = "nothing", found = "nothing" } = expectedAndFound(difference);
      const what = difference.change === "different" ? difference.property : difference.change;
      return `${kind} ${colors.bold(name)}: ${what}\n  expected  ${colors.green(expected)}\n  found     ${colors.red(found)}\n`;
    })
    .join("\n");
}
