import { MigrateError } from "../migrate/index.ts";
import {
  BlockedError,
  CHECKS,
  type CheckName,
  type CheckResult,
  errorFinding,
  isError,
  type Outcome,
} from "./findings.ts";

export type OnCheck = (
  event: /** `3 of 12: 0003_add_orgs`; at once. */
    | { readonly kind: "progress"; readonly name: CheckName; readonly text: string }
    /** In the order of `CHECKS`. */
    | { readonly kind: "done"; readonly result: CheckResult },
) => void;

/** Runs checks, each to its end whatever it throws, and keeps their results. */
export interface Runner {
  readonly run: (name: CheckName, check: () => Promise<Outcome>) => Promise<CheckResult>;
  readonly progress: (name: CheckName, text: string) => void;
  /** Thrown by a check that cannot run, because another failed. */
  readonly blocked: (reason: string) => BlockedError;
  /** In the order of `CHECKS`. */
  readonly results: () => readonly CheckResult[];
}

export function createRunner(
  onCheck: OnCheck = () => undefined,
  signal: AbortSignal | undefined,
): Runner {
  const results = new Map<CheckName, CheckResult>();
  const names = Object.keys(CHECKS) as CheckName[];
  let told = 0;
  // Some run side by side, and are reported in one order.
  const tell = () => {
    for (const name of names.slice(told)) {
      const result = results.get(name);
      if (result === undefined) return;
      told += 1;
      onCheck({ kind: "done", result });
    }
  };
  return {
    run: async (name, check) => {
      const title = CHECKS[name];
      const start = performance.now();
      const ended = await endOf(check, signal);
      const durationMs = Math.round(performance.now() - start);
      const result: CheckResult = { name, title, ...ended, durationMs };
      results.set(name, result);
      tell();
      return result;
    },
    progress: (name, text) => onCheck({ kind: "progress", name, text }),
    blocked: (reason) => new BlockedError(reason),
    results: () => names.flatMap((name) => results.get(name) ?? []),
  };
}

async function endOf(
  check: () => Promise<Outcome>,
  signal: AbortSignal | undefined,
): Promise<Pick<CheckResult, "status" | "detail" | "findings">> {
  try {
    const { findings, detail, skipped } = await check();
    const failed = findings.some(isError);
    const status = failed ? "failed" : skipped ? "skipped" : "passed";
    return { status, detail, findings };
  } catch (error) {
    if (error instanceof BlockedError) {
      return { status: "blocked", detail: error.message, findings: [] };
    }
    if (!(error instanceof MigrateError) || signal?.aborted) throw error;
    return { status: "failed", detail: undefined, findings: [errorFinding(error)] };
  }
}
