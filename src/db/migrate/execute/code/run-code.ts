import { ask, columnOf, rollBack } from "../../../connection/ask.ts";
import { beginForOthers, EXACT_TEXTS, ownSettings } from "../../../connection/begin.ts";
import { SessionLost } from "../../../connection/loss.ts";
import { isServerError, type Row } from "../../../connection/session.ts";
import type { StepDefinition } from "../../code/definition.ts";
import { LeaseLost } from "../../lease/lost.ts";
import { fence } from "../../lease/sql.ts";
import { COPY } from "../../ledger/event-copy.ts";
import { DURATION } from "../../ledger/record.ts";
import type { CodePart, Execution } from "../execution.ts";
import { endOfPart, leaveNothingBehind, MARKER } from "../transaction.ts";
import { AroundStep, type CodeFailure, chainOf, codeFailure, stoppedStep } from "./code-trouble.ts";
import { backfillFailure, runBackfillPart } from "./run-backfill.ts";
import { runStep } from "./run-step.ts";
import { type StepQueries, stepQueries } from "./step-queries.ts";

const XID = "tidemark_xid";
const DATABASE = "tidemark_database";

/**
 * Runs a migration's code in a transaction that also records it. The lease is held by the transaction itself, which
 * has locked its row: nobody can take it before that ends, and the server ends it when nothing comes for a while.
 *
 * @returns how long the migration took where it was done, in milliseconds
 * @throws SessionLost
 */
export async function runCode(execution: Execution, part: CodePart): Promise<CodeFailure | number> {
  const { session, signal } = execution;
  const { definition } = part.code;
  const queries = stepQueries(session, `code:${part.step.migration.tag}`);
  try {
    return definition.kind === "step"
      ? await transact(execution, part, definition.step, queries)
      : await runBackfillPart(execution, part, definition.backfill);
  } catch (error) {
    const lost = chainOf(error).find((one) => one instanceof SessionLost);
    if (lost !== undefined) throw lost;
    if (error instanceof LeaseLost) throw error;
    await rollBack(session);
    if (signal?.aborted) return stoppedStep();
    return backfillFailure(error) ?? codeFailure(part, error, queries);
  }
}

async function transact(
  execution: Execution,
  part: CodePart,
  step: StepDefinition,
  queries: StepQueries,
): Promise<number> {
  const { session, counter } = execution;
  const { tag } = part.step.migration;
  const text = beginText(execution, part);
  const begin = await ask(session, `begin:${tag}#${part.to}`, text).catch((error: unknown) => {
    throw isServerError(error) ? new AroundStep("begin", error) : error;
  });
  const outcome = await runStep(execution, part, step, queries, String(columnOf(begin, DATABASE)));
  let marker = 0;
  let durationMs = 0;
  let copy: string | null | undefined;
  const onRow = (row: Row) => {
    if (MARKER in row) marker = Number(row[MARKER]);
    else if (DURATION in row) durationMs = Number(row[DURATION]);
    else if (COPY in row) copy = row[COPY] as string | null;
  };
  const end = endText(execution, part, String(columnOf(begin, XID)), outcome);
  const sent = await session.send(`end:${tag}#${part.to}`, end, { onRow });
  await sent.reply.catch((error: unknown) => {
    const at = (["transaction", "constraints", "record"] as const)[marker] ?? "record";
    throw isServerError(error) ? new AroundStep(at, error) : error;
  });
  counter.committed += 1;
  if (copy !== undefined) execution.onCopied(copy);
  return durationMs;
}

function beginText(execution: Execution, { step }: CodePart): string {
  const { session, lockPatience, counter } = execution;
  return [
    beginForOthers(session.serverVersion, lockPatience.lockTimeoutMs),
    fence(execution, { step: counter.committed, activity: step.migration.tag }),
    "set local search_path to default",
    ...EXACT_TEXTS,
    `select pg_catalog.txid_current()::text as ${XID}, pg_catalog.current_database() as ${DATABASE}`,
  ].join(";\n");
}

function endText(
  execution: Execution,
  part: CodePart,
  xid: string,
  outcome: "ran" | "not-needed",
): string {
  const { checksum } = part.code.file;
  return [
    // In another transaction it divides by zero: what the step did is not in this one.
    `select 1 / (pg_catalog.txid_current()::text operator(pg_catalog.=) '${xid}')::integer`,
    `select 1 as ${MARKER}`,
    "set constraints all immediate",
    ...leaveNothingBehind(execution.lease.direct),
    ownSettings(execution.session.serverVersion),
    `select 2 as ${MARKER}`,
    ...endOfPart(execution, part, undefined, { checksum, outcome }),
    "commit",
  ].join(";\n");
}
