import { pause } from "../../base/backoff.ts";
import { LOCK_NOT_AVAILABLE } from "../../base/sqlstate.ts";
import { ask } from "../../connection/ask.ts";
import { isServerError } from "../../connection/session.ts";
import { type Filling, lockTimeoutOf, sendFenced } from "../backfill/attempt.ts";
import { type Claimed, claimBackfill } from "../backfill/claim.ts";
import { BackfillFailed } from "../backfill/failed.ts";
import { runBackfill } from "../backfill/run-batches.ts";
import { checkpoint } from "../backfill/store.ts";
import { readTarget } from "../backfill/target.ts";
import type { BackfillOutcome } from "../backfill-types.ts";
import { type BackfillDefinition, DEFAULTS } from "../code/backfill-definition.ts";
import { type LoadedCode, loadCode } from "../code/load-code.ts";
import { MigrateError } from "../errors.ts";
import { batchRunner } from "../execute/code/batch-runner.ts";
import { leaveNothingBehind } from "../execute/transaction.ts";
import { LeaseLost } from "../lease/lost.ts";
import { readRows } from "../ledger/read.ts";
import { rowsOf } from "../ledger/replies.ts";
import type { LedgerRow } from "../ledger-types.ts";
import type { Run, Session } from "../run-types.ts";
import { refuseBackfillSql } from "../sql/backfill-sql.ts";
import type { Tag } from "../types.ts";
import { statuses, withLedger } from "./backfill-calls.ts";

/** Well within the life of a claim. */
const RENEW_MS = 5_000;

/**
 * Runs the backfills of the background that wait for a worker, one after the other; those that another process
 * runs are left to it. Ends when none is left that this process can run.
 *
 * @param only the one of this tag
 * @throws MigrateError, after the others have run: `checksum_mismatch` where the file of one was edited since its migration was applied;
 * `history_invalid`, `connect`, `canceled`
 */
export async function runBackgroundBackfills(
  run: Run,
  only?: Tag,
): Promise<readonly BackfillOutcome[]> {
  const outcomes: BackfillOutcome[] = [];
  const seen = new Set<Tag>();
  let problem: MigrateError | undefined;
  for (;;) {
    const next = await withLedger(run, async (session) => {
      for (const { tag, state, isRunning, background } of await statuses(session, run.schema)) {
        const waits = state === "PENDING" || (state === "RUNNING" && !isRunning);
        if (!background || !waits || seen.has(tag) || (only !== undefined && tag !== only))
          continue;
        seen.add(tag);
        const outcome = await runOne(run, session, tag).catch((error: unknown) => {
          // One that this process cannot run keeps it from no other.
          if (!(error instanceof MigrateError) || !OF_ONE.has(error.code)) throw error;
          problem ??= error;
          return undefined;
        });
        // A failed message leaves its session to be closed.
        if (outcome !== undefined) return [outcome];
      }
      return [];
    });
    if (next.length > 0) outcomes.push(...next);
    else if (problem === undefined) return outcomes;
    else throw problem;
  }
}

const OF_ONE: ReadonlySet<string> = new Set([
  ...["checksum_mismatch", "missing_file", "history_invalid", "config"],
]);

/** Undefined where another process has it. */
async function runOne(run: Run, session: Session, tag: Tag): Promise<BackfillOutcome | undefined> {
  const { schema, identity } = run;
  const rows = rowsOf(await ask(session, "read", readRows(schema)));
  const { code, definition } = await codeOf(
    run,
    tag,
    rows.find((row) => row.tag === tag),
  );
  const target = await readTarget(session, definition);
  const options = { schema, tag, identity, takesOver: false, before: [] };
  const claimed = await claimBackfill(session, options).catch((error: unknown) => {
    // A migration's transaction holds what is locked for the claim: a later look finds it free.
    if (isServerError(error) && error.code === LOCK_NOT_AVAILABLE) return "busy" as const;
    throw error;
  });
  if (typeof claimed === "string") return undefined;
  const { longestMs = DEFAULTS.longestMs } = definition.batch ?? {};
  const place = { step: { migration: { tag }, attempt: 1 }, code };
  const fence = [checkpoint(schema, tag, claimed.runId, {})];
  const filling: Omit<Filling, "runCode" | "afterCode"> = {
    ...{ session, tag, target, definition, longestMs, fence },
    lockTimeoutMs: lockTimeoutOf(run.lockPatience.lockTimeoutMs, longestMs),
    signal: run.signal ?? new AbortController().signal,
  };
  return settle(tag, run, claimed, {
    ...filling,
    // Behind a pooler there may be more in the session, and that is another client's.
    afterCode: leaveNothingBehind(false),
    runCode: batchRunner({ ...run, session }, place, definition, target.database),
  });
}

async function settle(
  tag: Tag,
  run: Run,
  { row, runId }: Claimed,
  filling: Filling,
): Promise<BackfillOutcome | undefined> {
  const { schema } = run;
  try {
    const end = await runBackfill(
      {
        ...filling,
        ...{ schema, runId, identity: run.identity },
        onProgress: (progress) => run.onProgress({ kind: "backfill", tag, ...progress }),
        pause: (ms) => pauseAlive(filling, ms),
      },
      row,
    );
    return { tag, end };
  } catch (error) {
    // Another process has taken it.
    if (error instanceof LeaseLost) return undefined;
    if (!(error instanceof BackfillFailed)) throw error;
    return { tag, end: "failed", error: error.message };
  }
}

/** A pause in which the claim is kept. */
async function pauseAlive(filling: Filling, ms: number): Promise<void> {
  const end = performance.now() + ms;
  for (let leftMs = ms; leftMs > 0; leftMs = end - performance.now()) {
    await pause(Math.min(leftMs, RENEW_MS), filling.signal);
    await sendFenced(filling, []);
  }
}

async function codeOf(
  run: Run,
  tag: Tag,
  row: LedgerRow | undefined,
): Promise<{ readonly code: LoadedCode; readonly definition: BackfillDefinition }> {
  const { dir, migrations } = await run.history;
  const migration = migrations.find((one) => one.tag === tag);
  const code = migration && (await loadCode(migration));
  if (migration === undefined || code?.definition.kind !== "backfill") {
    throw new MigrateError({
      code: "missing_file",
      tag,
      fact: `The database has a backfill ${tag}, and ${dir} has ${migration === undefined ? "no such migration" : "no backfill in that migration"}.`,
      outcome: "nothing-run",
      remedy: "Run the release that has it.",
    });
  }
  await refuseBackfillSql(tag, code);
  if (row !== undefined && row.checksum !== migration.checksum) {
    throw new MigrateError({
      code: "checksum_mismatch",
      tag,
      fact: `${code.file.file} (or its SQL) was edited after its migration was applied, and its backfill is not done.`,
      outcome: "nothing-run",
      remedy: "Take the edit back. To change it: `tidemark rollback`, or a new migration.",
    });
  }
  return { code, definition: code.definition.backfill };
}
