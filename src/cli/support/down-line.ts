import type { WrittenDown } from "../../db/down/index.ts";
import type { Output } from "./output.ts";

/** What was written, and what is known of it, as a line for people. */
export function downLine(
  { file, outcome, kind, loses, reason }: Omit<WrittenDown, "tag">,
  { colors }: Output,
): string {
  if (kind === "irreversible") {
    return `${colors.yellow("!")} ${file} ${outcome}: irreversible: ${reason}\n  Write the way back there by hand, or leave it so.`;
  }
  const losing = loses.length === 0 ? "" : `, loses ${loses.join(", ")}`;
  return `${colors.green("✓")} ${file} ${outcome}: proven${losing}`;
}
