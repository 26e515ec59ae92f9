import { identifier, integer } from "../../../base/quote.ts";
import { columnOf, transact } from "../../../connection/ask.ts";
import { isServerError } from "../../../connection/session.ts";
import { lockTimeoutOf } from "../../backfill/attempt.ts";
import { claimBackfill, readBackfill } from "../../backfill/claim.ts";
import { BackfillFailed } from "../../backfill/failed.ts";
import type { Target } from "../../backfill/keys.ts";
import { runBackfill } from "../../backfill/run-batches.ts";
import { leaveToWorker, register } from "../../backfill/store.ts";
import { readTarget } from "../../backfill/target.ts";
import { type BackfillDefinition, DEFAULTS } from "../../code/backfill-definition.ts";
import { MigrateError } from "../../errors.ts";
import { pauseUnderLease } from "../../lease/renew.ts";
import { fence } from "../../lease/sql.ts";
import { COPY } from "../../ledger/event-copy.ts";
import { DURATION } from "../../ledger/record.ts";
import type { BackfillProgress } from "../../progress-types.ts";
import type { Tag } from "../../types.ts";
import type { CodePart, Execution } from "../execution.ts";
import type { ServerErrorFields } from "../failure-text.ts";
import { endOfPart, leaveNothingBehind } from "../transaction.ts";
import { batchRunner } from "./batch-runner.ts";
import type { CodeFailure } from "./code-trouble.ts";

const LOOK_AGAIN_MS = 1_000;

/**
 * Runs a migration's backfill under the lease, and records the migration when it is through. One that runs in the
 * background is registered together with the migration's record: a worker takes it up.
 *
 * @returns how long the migration took, in milliseconds
 * @throws BackfillFailed; LeaseLost; SessionLost; MigrateError; ServerError; the signal's reason
 */
export async function runBackfillPart(
  execution: Execution,
  part: CodePart,
  definition: BackfillDefinition,
): Promise<number> {
  const { session, schema } = execution;
  const { tag } = part.step.migration;
  const target = await readTarget(session, definition);
  const { background = false, batch } = definition;
  const registered = register(schema, tag, target, {
    background,
    size: batch?.size ?? DEFAULTS.size,
  });
  if (background && !isRunHere(execution, tag)) {
    const left = [registered, ...leaveToWorker(schema, tag)];
    const tookMs = await endMigration(execution, part, left, "background");
    execution.onProgress({ kind: "backfill-registered", tag, table: target.name });
    return tookMs;
  }
  while ((await fillInline(execution, part, definition, target, registered)) === "paused") {
    await untilResumed(execution, part);
  }
  return endMigration(execution, part, [], "ran");
}

function isRunHere({ runsBackfills }: Execution, tag: Tag): boolean {
  return typeof runsBackfills === "boolean" ? runsBackfills : runsBackfills.includes(tag);
}

async function fillInline(
  execution: Execution,
  part: CodePart,
  definition: BackfillDefinition,
  target: Target,
  registered: string,
): Promise<"done" | "paused"> {
  const { session, schema, identity, lockPatience } = execution;
  const { tag } = part.step.migration;
  const fenced = [fence(execution, { activity: tag })];
  const onProgress = (progress: BackfillProgress) =>
    execution.onProgress({ kind: "backfill", tag, ...progress });
  for (;;) {
    const claimed = await claimBackfill(session, {
      schema,
      tag,
      identity,
      // Who holds the lease is the only one: what an earlier process has left is taken over.
      takesOver: true,
      before: [...fenced, registered],
    });
    if (claimed === "done" || claimed === "paused") return claimed;
    if (claimed === "busy") {
      onProgress({ ...NOTHING_YET, reason: "another backfill of the same table runs" });
      await pauseUnderLease(execution, LOOK_AGAIN_MS);
      continue;
    }
    const { longestMs = DEFAULTS.longestMs } = definition.batch ?? {};
    const end = await runBackfill(
      {
        session,
        schema,
        tag,
        target,
        definition,
        runId: claimed.runId,
        identity,
        longestMs,
        lockTimeoutMs: lockTimeoutOf(lockPatience.lockTimeoutMs, longestMs),
        fence: fenced,
        signal: execution.signal ?? new AbortController().signal,
        onProgress,
        pause: (ms) => pauseUnderLease(execution, ms),
        afterCode: leaveNothingBehind(execution.lease.direct),
        runCode: batchRunner(execution, part, definition, target.database),
      },
      claimed.row,
    );
    if (end !== "canceled") return end;
    throw canceled(target.name);
  }
}

function canceled(table: string): BackfillFailed {
  return new BackfillFailed(`The backfill of ${table} was canceled by a person.`);
}

const NOTHING_YET = {
  state: "waiting",
  rowsDone: 0,
  rowsExpected: null,
  rowsPerSecond: null,
  batchSize: 0,
  quarantined: 0,
} as const;

/** Until a person says `resume`: the lease is kept, nothing runs. */
async function untilResumed(execution: Execution, part: CodePart): Promise<void> {
  const { session, schema, onProgress } = execution;
  const { tag } = part.step.migration;
  for (;;) {
    const row = await readBackfill(session, schema, tag);
    if (row?.state === "CANCELED") throw canceled(row.table);
    if (row?.state !== "PAUSED") return;
    const { rowsDone, rowsExpected, quarantined } = row;
    const reason = `it was paused: \`tidemark backfill resume ${tag}\``;
    onProgress({
      kind: "backfill",
      tag,
      ...NOTHING_YET,
      rowsDone,
      rowsExpected,
      quarantined,
      reason,
    });
    await pauseUnderLease(execution, LOOK_AGAIN_MS);
  }
}

/** Records the migration: with what it leaves to a worker, or once its rows are filled. */
async function endMigration(
  execution: Execution,
  part: CodePart,
  statements: readonly string[],
  outcome: "ran" | "background",
): Promise<number> {
  const { counter, schema } = execution;
  const { checksum } = part.code.file;
  // Its batches were fenced by the lease alone: what follows is counted on from here.
  const counted = `update ${identifier(schema)}.runner set step = ${integer(counter.committed + 1)} where id = 1`;
  const reply = await transact(execution.session, `end:${part.step.migration.tag}#${part.to}`, [
    fence(execution, { activity: part.step.migration.tag }),
    ...statements,
    counted,
    ...endOfPart(execution, part, undefined, { checksum, outcome }),
  ]);
  counter.committed += 1;
  const copy = columnOf(reply, COPY) as string | null | undefined;
  if (copy !== undefined) execution.onCopied(copy);
  return Number(columnOf(reply, DURATION) ?? 0);
}

/** What to say of a backfill that failed; undefined of other errors. */
export function backfillFailure(error: unknown): CodeFailure | undefined {
  if (error instanceof MigrateError) return failureOf(error.fact, error.remedy, error, NO_FIELDS);
  if (!(error instanceof BackfillFailed)) return undefined;
  const { sqlState, message, detail, hint, where } = error.recorded;
  const fields = {
    code: sqlState ?? "",
    message,
    ...(detail !== null && { detail }),
    ...(hint !== null && { hint }),
    ...(where !== null && { where }),
    ...(isServerError(error.cause) && { routine: error.cause.routine }),
  };
  return failureOf(
    error.message,
    "What was filled is committed, and is not filled again.",
    error,
    fields,
  );
}

const NO_FIELDS = { code: "", message: "" };

function failureOf(
  message: string,
  remedy: string,
  cause: unknown,
  error: ServerErrorFields,
): CodeFailure {
  return {
    message: { text: "", statements: [], starts: [] },
    stage: { kind: "code" },
    error: error.message === "" ? { ...error, message } : error,
    trouble: {
      what: "backfill",
      place: undefined,
      snippet: undefined,
      message,
      causes: [],
      stage: "ran",
      remedy,
      cause,
    },
  };
}
