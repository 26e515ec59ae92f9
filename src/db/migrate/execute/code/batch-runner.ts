import { ask } from "../../../connection/ask.ts";
import { isServerError } from "../../../connection/session.ts";
import { BatchMisuse } from "../../backfill/failed.ts";
import {
  type BackfillDefinition,
  type BatchContext,
  DEFAULTS,
} from "../../code/backfill-definition.ts";
import type { CodeHost, CodePlace } from "../execution.ts";
import { chainOf } from "./code-trouble.ts";
import { StepMisuse } from "./misuse.ts";
import { runStep } from "./run-step.ts";
import { stepQueries } from "./step-queries.ts";

/** A batch's statements are stopped at `longestMs`; code that hangs is ended after this many times that. */
const HANGS_AFTER = 10;

/** Runs a definition's code for a batch, in the transaction that is open, watched as a step is. */
export function batchRunner(
  host: CodeHost,
  place: CodePlace,
  { run, batch }: BackfillDefinition,
  databaseName: string,
): (rows: string) => Promise<void> {
  const timeoutMs = (batch?.longestMs ?? DEFAULTS.longestMs) * HANGS_AFTER;
  return async (rows) => {
    if (run === undefined) return;
    const queries = stepQueries(host.session, `code:${place.step.migration.tag}`);
    // The context's own fields are made when they are asked for.
    const withRows = (context: object): BatchContext =>
      Object.assign(Object.create(context), { rows });
    const step = { timeoutMs, run: (context: object) => run(withRows(context)) };
    try {
      await runStep(host, place, step, queries, databaseName);
      await refuseAborted(host, queries.firstError());
    } catch (error) {
      const misuse = chainOf(error).find((one) => one instanceof StepMisuse);
      if (!(misuse instanceof StepMisuse)) throw error;
      throw new BatchMisuse(`${misuse.message}. ${misuse.remedy}`, { cause: misuse });
    }
  };
}

/** Code that caught an error and went on: the transaction is aborted, unless the code went back to a savepoint. */
async function refuseAborted({ session }: CodeHost, first: Error | undefined): Promise<void> {
  if (first === undefined) return;
  await ask(session, "prove", "select 1").catch((error: unknown) => {
    throw isServerError(error) ? first : error;
  });
}
