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

export type Runner = ReturnType<typeof createRunner>;

/** Runs checks, each to its end whatever it throws, and keeps their results. */
export function createRunner(onCheck: OnCheck = () => undefined, signal: AbortSignal | undefined) {
  const results = new Map<CheckName, CheckResult>();
  const names = Object.keys(CHECKS) as CheckName[];
  const leftOut = new Set<CheckName>();
  let told = 0;
  // Some run side by side, and are reported in one order.
  const tell = () => {
    for (const name of names.slice(told)) {
      const result = results.get(name);
      if (result === undefined && !leftOut.has(name)) return;
      told += 1;
      if (result !== undefined) onCheck({ kind: "done", result });
    }
  };
  return {
    run: async (name: CheckName, check: () => Promise<Outcome>): Promise<CheckResult> => {
      const title = CHECKS[name];
      const start = performance.now();
      const ended = await endOf(check, signal);
      const durationMs = Math.round(performance.now() - start);
      const result: CheckResult = { name, title, ...ended, durationMs };
      results.set(name, result);
      tell();
      return result;
    },
    /** A check of something that the project does not have. */
    leaveOut: (name: CheckName): void => {
      leftOut.add(name);
      tell();
    },
    progress: (name: CheckName, text: string) => onCheck({ kind: "progress", name, text }),
    /** Thrown by a check that cannot run, because another failed. */
    blocked: (reason: string) => new BlockedError(reason),
    /** In the order of `CHECKS`. */
    results: (): readonly CheckResult[] => names.flatMap((name) => results.get(name) ?? []),
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
