import { ask, columnOf } from "../../connection/ask.ts";
import { isServerError } from "../../connection/session.ts";
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
  const { session } = await openLedger(run, "select 1");
  try {
    const reply = await ask(session, "blockers", findBlockers(run.schema, { runId }, backend));
    const work = columnOf(reply, WORK) as ServerWork | undefined;
    return { activity, holder, work: work ?? null, blockers: blockersIn(reply) };
  } catch (error) {
    // It is good to know, and no reason not to tell the rest.
    if (!isServerError(error)) throw error;
    return { activity, holder, work: null, blockers: [] };
  } finally {
    await session.close();
  }
}
