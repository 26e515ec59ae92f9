import { ask } from "../../connection/ask.ts";
import { MigrateError } from "../errors.ts";
import { loadDowns } from "../history/sum-folder.ts";
import { readStoredDowns } from "../ledger/read.ts";
import { storedDownsOf } from "../ledger/replies.ts";
import type { Ledger } from "../ledger-types.ts";
import { halfWayUp } from "../plan/half-way.ts";
import { planRun } from "../plan/plan.ts";
import { planRevert, type RevertPlan, type RevertStep } from "../plan/revert.ts";
import type { RollbackTarget } from "../rollback-types.ts";
import type { Run, Session } from "../run-types.ts";
import { refuseLedgerWrites } from "../sql/ledger-writes.ts";
import { stepParser } from "../sql/parse.ts";
import type { ParsedStep } from "../sql/segments.ts";
import type { History } from "../types.ts";

/** A rollback that is planned and parsed. */
export interface PreparedRevert {
  readonly plan: RevertPlan;
  /** None where something forbids it. */
  readonly steps: readonly (RevertStep & ParsedStep)[];
}

/**
 * Plans a rollback and parses what it would run.
 *
 * @throws MigrateError `usage`, `adopt_required`; of the files, what a run up throws
 */
export async function prepareRevert(
  session: Session,
  run: Run,
  history: History,
  ledger: Ledger,
  target: RollbackTarget,
): Promise<PreparedRevert> {
  refuseUnknownApplied(history, ledger);
  const files = await loadDowns(history);
  const hasStored = (ledger.runner?.ledgerVersion ?? 0) >= FIRST_WITH_DOWNS;
  const stored = hasStored
    ? storedDownsOf(await ask(session, "read", readStoredDowns(run.schema)))
    : new Map();
  const plan = planRevert(history, ledger, { files, stored }, target);
  const partly = target.steps === 0 ? undefined : halfWayUp(ledger.rows, ledger.runner);
  const problems = [...(partly === undefined ? [] : [partly]), ...plan.problems];
  if (problems.length > 0) return { plan: { ...plan, problems }, steps: [] };
  const parse = stepParser();
  const steps: (RevertStep & ParsedStep)[] = [];
  for (const step of plan.steps) steps.push(await parseEither(parse, step));
  refuseLedgerWrites(steps, run.schema);
  return { plan, steps };
}

/** Version of the ledger from which on it keeps down files. */
const FIRST_WITH_DOWNS = 3;

/** One that is half-way down goes on by the text that it was begun with, where the other has changed since. */
async function parseEither(
  parse: ReturnType<typeof stepParser>,
  step: RevertStep,
): Promise<RevertStep & ParsedStep> {
  try {
    const [parsed] = await parse([step]);
    if (parsed === undefined) throw new TypeError("nothing was parsed");
    return parsed;
  } catch (error) {
    const isChanged = error instanceof MigrateError && error.code === "checksum_mismatch";
    if (!isChanged || step.otherwise === undefined) throw error;
    return parseEither(parse, step.otherwise);
  }
}

/** What drizzle's migrator has applied on top is not the ledger's to take back, and what is below it must stay. */
function refuseUnknownApplied(history: History, ledger: Ledger): void {
  const { takeover } = planRun(history, ledger);
  const unknown = takeover?.adopted.filter(({ by }) => by === "drizzle") ?? [];
  if (unknown.length === 0 && (takeover?.doubtful.length ?? 0) === 0) return;
  throw new MigrateError({
    code: "adopt_required",
    fact: "drizzle's own migrator has applied migrations here that the ledger does not know yet.",
    outcome: "nothing-run",
    remedy: "Take them over first: `tidemark adopt`, then run this again.",
  });
}
