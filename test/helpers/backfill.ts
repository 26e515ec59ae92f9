import { fileURLToPath } from "node:url";
import {
  DatabaseMigrator,
  type MigratorOptions,
  type Progress,
} from "../../src/db/migrate/index.ts";
import { type Backfill, defineBackfill } from "../../src/db/steps/index.ts";

export type BackfillSeen = Extract<Progress, { kind: "backfill" }>;

/** Migrations of one backfill each, in their order. */
export function backfillMigrator(
  url: string,
  backfills: Readonly<Record<string, Backfill>>,
  options: Partial<MigratorOptions> = {},
): DatabaseMigrator {
  const history = Object.entries(backfills).map(([tag, backfill]) => ({
    tag,
    sql: "",
    step: { definition: defineBackfill(backfill), version: "1" },
  }));
  return new DatabaseMigrator({ url, history, ...options });
}

const STEPS = fileURLToPath(new URL("../../src/db/steps/index.ts", import.meta.url));

/** The text of a file that defines a backfill. */
export function backfillText(definition: string): string {
  return `import { defineBackfill } from ${JSON.stringify(STEPS)};\n\nexport default defineBackfill({ ${definition} });\n`;
}
