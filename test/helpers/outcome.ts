import { MigrateError } from "../../src/db/migrate/index.ts";

/**
 * How a call ended, in a word or two for a table: `applied 3`, `current`, `migration_failed 22P05`,
 * `connect`. What is no error of ours is thrown.
 */
export async function outcomeOf(
  call: Promise<{ readonly outcome: string; readonly applied?: readonly unknown[] }>,
): Promise<string> {
  try {
    const { outcome, applied = [] } = await call;
    return applied.length > 0 ? `${outcome} ${applied.length}` : outcome;
  } catch (error) {
    if (!(error instanceof MigrateError)) throw error;
    const { code, recorded } = error;
    return recorded?.sqlState ? `${code} ${recorded.sqlState}` : code;
  }
}
