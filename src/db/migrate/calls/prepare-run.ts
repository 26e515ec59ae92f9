import type { loadDowns } from "../history/sum-folder.ts";
import type { Ledger, LedgerRow } from "../ledger-types.ts";
import { type Plan, planRun, type Step } from "../plan/plan.ts";
import type { RepeatableRow } from "../repeatable-types.ts";
import type { Run } from "../run-types.ts";
import { stepParser } from "../sql/parse.ts";
import type { ParsedStep } from "../sql/segments.ts";
import type { DownFile, History, Tag } from "../types.ts";

export interface Prepared {
  readonly plan: Plan;
  /** Parsed and validated once. */
  readonly steps: () => Promise<readonly ParsedStep[]>;
}

/**
 * Plans a run, and parses what it would do, once for the same state of the ledger: a plan made before
 * the lease was taken is a preview, and runs only if nothing has changed since.
 */
export function preparer(
  { plan: options }: Run,
  history: History,
  downs: ReturnType<typeof loadDowns>,
): (ledger: Ledger) => Prepared {
  const parse = stepParser({ leavesUnread: "all" });
  let last: (Prepared & Pick<Ledger, "rows" | "repeatables">) | undefined;
  return ({ runner, rows, existing, repeatables = [] }) => {
    const isSame = areSame(last?.rows ?? [], rows) && areSame(last?.repeatables ?? [], repeatables);
    if (last !== undefined && existing === undefined && isSame) return last;
    const ledger = { runner, rows, repeatables, ...(existing && { existing }) };
    const plan = planRun(history, ledger, options);
    let parsed: Promise<readonly ParsedStep[]> | undefined;
    const steps = () => {
      parsed ??= downs.then((files) => parse(plan.steps.map((step) => withDown(step, files))));
      return parsed;
    };
    last = { plan, steps, rows, repeatables };
    return last;
  };
}

/** The way down is kept in the ledger, unless `tidemark.sum` has it otherwise. */
function withDown(step: Step, files: ReadonlyMap<Tag, DownFile>): Step {
  const file = files.get(step.migration.tag);
  return file === undefined || file.isUnverified ? step : { ...step, stored: file };
}

/** A row's newest event stands for the row. */
function areSame(
  a: readonly Pick<LedgerRow | RepeatableRow, "tag" | "eventId">[],
  b: typeof a,
): boolean {
  const newest = new Map(a.map(({ tag, eventId }) => [tag, eventId]));
  return a.length === b.length && b.every(({ tag, eventId }) => newest.get(tag) === eventId);
}
