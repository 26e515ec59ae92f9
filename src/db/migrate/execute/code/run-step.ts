import { LONGEST_TIMER_MS } from "../../../base/backoff.ts";
import { duration } from "../../../base/text.ts";
import { ask } from "../../../connection/ask.ts";
import { SessionLost } from "../../../connection/loss.ts";
import { described, type StepContext, type StepDefinition } from "../../code/definition.ts";
import { LEASE_RENEW_MS } from "../../lease/sql.ts";
import type { CodeHost, CodePlace } from "../execution.ts";
import { StepMisuse } from "./misuse.ts";
import { stepContext } from "./step-context.ts";
import type { StepQueries } from "./step-queries.ts";
import { watchStep } from "./step-watch.ts";

/** How long a step that was told to stop may take to clear up. */
const CLEAR_UP_MS = 1_000;

/**
 * Runs `check` and `run` until they end, or something ends them. Then nothing more of the step is sent.
 *
 * @throws whatever they throw; StepMisuse; SessionLost; the signal's reason
 */
export async function runStep(
  execution: CodeHost,
  part: CodePlace,
  step: StepDefinition,
  queries: StepQueries,
  databaseName: string,
): Promise<"ran" | "not-needed"> {
  const { session, signal, onProgress } = execution;
  const { tag } = part.step.migration;
  const stop = new AbortController();
  const stopped = new Promise<never>((_resolve, reject) => {
    stop.signal.addEventListener("abort", () => reject(stop.signal.reason), { once: true });
  });
  stopped.catch(() => undefined);
  const timeoutMs = Math.min(step.timeoutMs ?? execution.stepTimeoutMs, LONGEST_TIMER_MS);
  const timer = setTimeout(() => stop.abort(timedOut(timeoutMs)), timeoutMs);
  const onAbort = () => stop.abort(signal?.reason ?? new Error("canceled"));
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  const stopKeeping = keepAlive(execution, queries, (lost) => stop.abort(lost));
  const context = stepContext(part, queries, {
    signal: stop.signal,
    databaseName,
    log: (line) => onProgress({ kind: "step-log", tag, line: String(line) }),
  });
  const working = watchStep(
    { remotes: session.remotes, onMisuse: (misuse) => stop.abort(misuse) },
    () => stepWork(step, context, queries),
  );
  working.catch(() => undefined);
  try {
    return await Promise.race([working, stopped]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    queries.shut();
    if (stop.signal.aborted) {
      await queries.drain();
      await settledWithin(working, CLEAR_UP_MS);
    } else {
      stop.abort(new Error("the step has ended"));
    }
    await stopKeeping();
  }
}

async function stepWork(
  { check, run }: StepDefinition,
  context: StepContext,
  queries: StepQueries,
): Promise<"ran" | "not-needed"> {
  const needed: unknown = check === undefined ? true : await check(context);
  if (typeof needed !== "boolean") {
    throw new StepMisuse(
      `its \`check\` returned ${described(needed)}, not true or false`,
      "Return true where `run` has something to do, false where it has not.",
    );
  }
  refuseUnawaited(queries);
  if (!needed) return "not-needed";
  const result: unknown = await run(context);
  refuseUnawaited(queries);
  if (result !== undefined) {
    throw new StepMisuse(
      `its \`run\` returned ${described(result)}, where nothing is expected`,
      "Return nothing: a step that failed throws.",
    );
  }
  return "ran";
}

function refuseUnawaited(queries: StepQueries): void {
  const count = queries.underWay();
  if (count === 0) return;
  throw new StepMisuse(
    `it ended while ${count === 1 ? "a query of it was" : `${count} queries of it were`} still running`,
    "Await each query (a forgotten `await` is the usual cause).",
  );
}

function timedOut(timeoutMs: number): StepMisuse {
  return new StepMisuse(
    `it did not end within ${duration(timeoutMs)}`,
    "If it needs longer, set timeoutMs in defineStep(), or --step-timeout; if it hangs, ctx.signal ends what it waits for.",
  );
}

/** While the step works elsewhere, the server is told that it lives: it ends idle transactions. */
function keepAlive(
  { session }: CodeHost,
  queries: StepQueries,
  onLost: (lost: SessionLost) => void,
): () => Promise<void> {
  let beating: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    if (queries.underWay() > 0) return;
    beating = ask(session, "prove", "select 1").catch((error: unknown) => {
      // In a transaction that an error has aborted, the server refuses everything, and has heard of us.
      if (error instanceof SessionLost) onLost(error);
    });
  }, LEASE_RENEW_MS);
  return async () => {
    clearInterval(timer);
    await beating;
  };
}

async function settledWithin(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([
    work.then(
      () => undefined,
      () => undefined,
    ),
    late,
  ]);
  clearTimeout(timer);
}
