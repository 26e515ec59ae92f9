import { ask, columnOf } from "../../connection/ask.ts";
import { SessionLost } from "../../connection/loss.ts";
import { isServerError } from "../../connection/session.ts";
import { MigrateError } from "../errors.ts";
import { blockersIn, findBlockers } from "../execute/blockers.ts";
import { WORK } from "../execute/server-work.ts";
import { holderOf } from "../lease/wait.ts";
import type { Ledger } from "../ledger-types.ts";
import type { ServerWork } from "../progress-types.ts";
import type { RunningNow } from "../reports.ts";
import type { Run } from "../run-types.ts";
import { openLedger } from "./call.ts";

/** What the runner at work is at, in this process or another; undefined where none is at a migration. */
export async function readRunning(
  run: Run,
  { runner }: Pick<Ledger, "runner">,
): Promise<RunningNow | undefined> {
  const holder = runner === undefined ? undefined : holderOf(runner);
  if (runner === undefined || holder === undefined || holder.activity === null) return undefined;
  if (runner.liveness === "dead" || runner.liveness === "expired") return undefined;
  const { runId, activity } = holder;
  const backend = runner.direct ? holder.backendPid : undefined;
  const connectTimeoutMs = Math.min(run.connectTimeoutMs, LONGEST_MS);
  try {
    const { session } = await openLedger({ ...run, connectTimeoutMs }, "select 1");
    try {
      const reply = await ask(session, "blockers", findBlockers(run.schema, { runId }, backend));
      const work = columnOf(reply, WORK) as ServerWork | undefined;
      return { activity, holder, work: work ?? null, blockers: blockersIn(reply) };
    } finally {
      await session.close();
    }
  } catch (error) {
    // It is good to know, and no reason not to tell the rest.
    if (run.signal?.aborted || !isTrouble(error)) throw error;
    return { activity, holder, work: null, blockers: [] };
  }
}

/** How long a connection may take whose answer can be done without. */
const LONGEST_MS = 2_000;

function isTrouble(error: unknown): boolean {
  return isServerError(error) || error instanceof SessionLost || error instanceof MigrateError;
}
