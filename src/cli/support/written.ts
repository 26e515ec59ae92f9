import { plural } from "../../db/base/text.ts";
import type { WrittenDown } from "../../db/down/index.ts";
import type { KeptMigration } from "../../db/kit/index.ts";
import type { Output } from "./output.ts";

/** A written down file as a line for people. */
export function downLine(
  { file, outcome, kind, loses, reason }: Omit<WrittenDown, "tag">,
  { colors }: Output,
): string {
  if (kind === "irreversible") {
    return `${colors.yellow("!")} ${file} ${outcome}: irreversible: ${reason}\n  Write the rollback SQL into it by hand, or leave it as it is.`;
  }
  const losing = loses.length === 0 ? "" : `, loses ${loses.join(", ")}`;
  return `${colors.green("✓")} ${file} ${outcome}: proven${losing}`;
}

/** A written sum file as a line for people. */
export function sumText({ file, head, migrations }: KeptMigration): string {
  return `Wrote ${file}: ${plural(migrations, "migration")}, head ${head}.`;
}
