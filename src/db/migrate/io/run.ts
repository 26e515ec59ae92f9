import { MigrateError } from "../errors.ts";
import { look, type RunIdentity, readRows } from "../pure/lease-sql.ts";
import { nothingToDo, stepParser } from "../pure/parse-steps.ts";
import { type PlanOptions, planRun, type Step, versionOf } from "../pure/plan.ts";
import type { History, Ledger, LedgerRow, Progress, RunnerRow, Tag } from "../types.ts";
import { type ConnectOptions, connect } from "./connect.ts";
import { type AppliedMigration, executeSteps } from "./execute.ts";
import { LeaseLost, lookAgain, release, takeOrWait } from "./lease.ts";
import { createLedgerIfAbsent, refuseForeignHistory, rowsOf, runnerOf } from "./ledger.ts";
import { type Session, SessionLost } from "./session.ts";

/** All that a run is given. */
export interface RunRequest extends ConnectOptions {
  readonly schema: string;
  readonly identity: RunIdentity;
  readonly waitTimeoutMs: number;
  readonly history: Promise<History>;
  readonly plan: PlanOptions;
}

export interface RunResult {
  readonly outcome: "applied" | "current" | "newer";
  readonly applied: readonly AppliedMigration[];
  /** Tag of the newest applied migration, in the history's order. */
  readonly version: Tag | undefined;
}

/** How often a run comes back after a loss without having applied anything since. */
const MOST_LOSSES = 5;

/**
 * Applies what is pending: look, and where there is something to do, take the
 * lease, read the ledger, plan, execute. A lost connection or lease starts over
 * with what is recorded by then.
 *
 * @throws MigrateError
 */
export async function runMigrations(request: RunRequest): Promise<RunResult> {
  const applied: AppliedMigration[] = [];
  const since = Date.now();
  let losses = 0;
  let appliedAtLoss = 0;
  for (;;) {
    try {
      const { outcome, version } = await attempt(request, applied, since);
      return { outcome: applied.length > 0 ? "applied" : outcome, applied, version };
    } catch (error) {
      if (!(error instanceof SessionLost || error instanceof LeaseLost)) throw error;
      losses = applied.length > appliedAtLoss ? 1 : losses + 1;
      appliedAtLoss = applied.length;
      if (losses > MOST_LOSSES) throw lostForGood(error, applied);
      request.onProgress(
        error instanceof LeaseLost
          ? { kind: "lease-lost" }
          : { kind: "reconnecting", reason: error.message, attempt: losses },
      );
    }
  }
}

/** One session's worth of a run. */
async function attempt(
  request: RunRequest,
  applied: AppliedMigration[],
  since: number,
): Promise<Pick<RunResult, "outcome" | "version">> {
  const { schema, signal, onProgress } = request;
  const { session, first } = await connect(request, look(schema));
  try {
    // Hashed while the connection was made.
    const history = await request.history;
    const found = runnerOf(first, schema);
    const current = { outcome: "current", version: history.migrations.at(-1)?.tag } as const;
    if (found !== undefined && isCurrent(history, found)) return current;
    const runner = found ?? (await createLedger(session, request));
    const seen = { runner, rows: await readState(session, schema) };
    const preview = planRun(history, seen, request.plan);
    const nothing = nothingToDo(preview);
    if (nothing !== undefined) return { outcome: nothing, version: versionOf(seen) };
    const parse = stepParser();
    await parse(preview.steps);

    const outcome = await takeOrWait(
      {
        session,
        schema,
        identity: request.identity,
        waitTimeoutMs: request.waitTimeoutMs,
        since,
        onProgress,
        signal,
      },
      runner,
      (now) => isCurrent(history, now),
    );
    if (outcome.kind === "done") return current;
    const { lease, rows, at } = outcome;
    const context = { schema, identity: request.identity, lease };
    try {
      // The plan made before the lease was a preview: this one runs.
      const plan = planRun(history, { runner, rows }, request.plan);
      const nothingLeft = nothingToDo(plan);
      if (nothingLeft === undefined) {
        const runningForMs = Date.now() - since;
        refuseFailedMeanwhile(plan.steps, rows, new Date(at.getTime() - runningForMs));
        const steps = await parse(plan.steps);
        onProgress({ kind: "planned", tags: steps.map(({ migration }) => migration.tag) });
        await executeSteps({
          session,
          context,
          steps,
          onProgress,
          signal,
          onApplied: (migration) => applied.push(migration),
        });
      }
      await release(session, schema, lease);
      return { outcome: nothingLeft ?? "applied", version: plan.versionAfter };
    } catch (error) {
      await releaseQuietly(session, schema, lease, error);
      throw error;
    }
  } finally {
    await session.close();
  }
}

/** The fast path: the database's head is this history's. */
export function isCurrent(history: History, runner: RunnerRow): boolean {
  return runner.head === history.head;
}

async function createLedger(session: Session, request: RunRequest): Promise<RunnerRow> {
  await refuseForeignHistory(session);
  await createLedgerIfAbsent(session, request.schema, request.signal);
  request.onProgress({ kind: "ledger-created", schema: request.schema });
  return lookAgain(session, request.schema);
}

async function readState(session: Session, schema: string): Promise<readonly LedgerRow[]> {
  const { reply } = await session.send("read", readRows(schema));
  return rowsOf(await reply);
}

/**
 * Two hundred replicas that boot at one moment must not each retry a migration that
 * one of them has seen fail: what failed since this run began is not tried again.
 *
 * @param since on the database's clock, which need not be this machine's
 */
function refuseFailedMeanwhile(
  steps: readonly Step[],
  rows: readonly LedgerRow[],
  since: Date,
): void {
  const [step] = steps;
  const row = rows.find(({ tag }) => tag === step?.migration.tag);
  if (step === undefined || row?.state !== "FAILED" || row.error === null) return;
  // One that was told to stop has not shown that the migration is broken.
  if (row.error.sqlState === null || row.checksum !== step.migration.checksum) return;
  if ((row.finishedAt ?? row.startedAt) < since) return;
  throw new MigrateError({
    code: "migration_failed",
    tag: row.tag,
    fact: row.error.text,
    remedy: `Another runner met this since this one began (${row.owner.host}, process ${row.owner.processId}), and it was not tried again.`,
    recorded: row.error,
    notRun: steps.map(({ migration }) => migration.tag),
  });
}

/** After an error: the first one is what counts. */
async function releaseQuietly(
  session: Session,
  schema: string,
  lease: { readonly runId: string; readonly token: string },
  error: unknown,
): Promise<void> {
  if (error instanceof SessionLost || error instanceof LeaseLost) return;
  // Where the record of a failure gave it back already, this finds nothing.
  await release(session, schema, lease).catch(() => undefined);
}

function lostForGood(error: Error, applied: readonly AppliedMigration[]): MigrateError {
  const lease = error instanceof LeaseLost;
  return new MigrateError({
    code: lease ? "lease_lost" : "connect",
    fact: lease
      ? `The lease was lost ${MOST_LOSSES + 1} times in a row to other runners.`
      : `The connection was lost ${MOST_LOSSES + 1} times in a row while nothing could be applied: ${error.message}.`,
    remedy:
      "What was committed is recorded. Look at the server's log, then run `tidemark migrate` again.",
    applied: applied.map(({ tag }) => tag),
    cause: error,
  });
}

/** Reads the ledger without the lease and without writing; absent is absent. */
export async function readLedger(request: RunRequest): Promise<Ledger> {
  const { session, first } = await connect(
    request,
    `${look(request.schema)};\n${readRows(request.schema)}`,
  );
  try {
    return { runner: runnerOf(first, request.schema), rows: rowsOf(first) };
  } finally {
    await session.close();
  }
}

/** Progress callbacks are the caller's: what they throw must not end a run half-way. */
export function shielded(onProgress: ((progress: Progress) => void) | undefined) {
  return (progress: Progress): void => {
    try {
      onProgress?.(progress);
    } catch {
      // Documented: an error thrown by onProgress is ignored.
    }
  };
}
