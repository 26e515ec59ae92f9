import { draftMigration, exportSchema, unansweredError } from "../kit.ts";
import type { Outcome } from "./types.ts";

export interface SchemaCheckOptions {
  readonly cwd: string;
  readonly config?: string;
  readonly dir: string;
  readonly signal?: AbortSignal;
}

/** drizzle-kit, let loose on a copy of the folder, finds nothing to write. @throws MigrateError */
export async function checkGenerated(options: SchemaCheckOptions): Promise<Outcome> {
  const answers = { renames: [], others: "ask" } as const;
  const draft = await draftMigration({ ...options, answers, sumFile: "ignore" });
  switch (draft.kind) {
    case "nothing":
      return { findings: [] };
    case "unanswered": {
      const fact = `The Drizzle schema has changes that no migration has. ${unansweredError(draft.questions).fact}`;
      return { findings: [{ level: "error", fact, remedy: GENERATE }] };
    }
    case "drafted": {
      const [first = "", ...more] = draft.statements;
      const rest = more.length === 0 ? "" : ` (and ${more.length} more)`;
      const fact = `The Drizzle schema has changes that no migration has: ${oneLine(first)}${rest}`;
      return { findings: [{ level: "error", fact, remedy: GENERATE }] };
    }
  }
}

const GENERATE = "`tidemark generate` writes the migration; commit what it writes.";

/** The statements that make the Drizzle schema. @throws MigrateError */
export function schemaStatements(options: SchemaCheckOptions): Promise<readonly string[]> {
  return exportSchema(options);
}

function oneLine(sql: string): string {
  const text = sql.replaceAll(/\s+/g, " ").trim();
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}
