import type { PlannedCode } from "../../db/migrate/index.ts";

/** What a migration's code is: `its backfill of people, in the background: 0001_fill.ts`. */
export function codeText({ file, kind, table, background }: PlannedCode): string {
  if (kind === "step") return `its code step: ${file}`;
  return `its backfill of ${table}${background ? ", in the background" : ""}: ${file}`;
}
