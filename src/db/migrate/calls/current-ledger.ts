import { lookAgain } from "../lease/wait.ts";
import { createOrUpgradeLedger } from "../ledger/create.ts";
import { LEDGER_VERSION } from "../ledger/tables.ts";
import type { RunnerRow } from "../ledger-types.ts";
import type { Run, Session } from "../run-types.ts";

/** A ledger of this version: made, or upgraded, where it is not one. */
export async function currentLedger(
  session: Session,
  run: Run,
  runner: RunnerRow | undefined,
): Promise<RunnerRow> {
  if (runner !== undefined && runner.ledgerVersion >= LEDGER_VERSION) return runner;
  await createOrUpgradeLedger(session, run);
  if (runner === undefined) run.onProgress({ kind: "ledger-created", schema: run.schema });
  return lookAgain(session, run.schema);
}
