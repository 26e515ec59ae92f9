import { look } from "../lease/sql.ts";
import { runnerOf } from "../ledger/replies.ts";
import { Calls, openLedger } from "./call.ts";
import { currentLedger } from "./current-ledger.ts";
import { type MigratorOptions, resolveOptions } from "./options.ts";

/**
 * Makes the ledger, or upgrades it, without running anything; the first `migrate()` does it by itself.
 *
 * @returns whether there was none
 * @throws MigrateError `config`, `connect`
 */
export async function createLedger(
  options: Pick<MigratorOptions, "url" | "ledgerSchema" | "connectTimeoutMs">,
): Promise<boolean> {
  const calls = new Calls(resolveOptions({ ...options, history: [] }), undefined);
  return calls.run({}, async (run) => {
    const { session, first } = await openLedger(run, look(run.schema, run.identity.runId));
    try {
      const found = runnerOf(first, run.schema);
      await currentLedger(session, run, found);
      return found === undefined;
    } finally {
      await session.close();
    }
  });
}
