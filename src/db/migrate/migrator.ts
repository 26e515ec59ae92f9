import { Backfills } from "./backfills.ts";
import { Calls } from "./calls/call.ts";
import { fingerprintOf } from "./calls/fingerprint.ts";
import { readLedger, runMigrations } from "./calls/migrate.ts";
import {
  type MigratorOptions,
  type ResolvedOptions,
  refuseBadNumbers,
  resolveOptions,
} from "./calls/options.ts";
import { plannedRepeatables, plannedStep, warningsOf } from "./calls/planned.ts";
import { readRunning } from "./calls/running.ts";
import { statusReport, unfinished } from "./calls/status-report.ts";
import type { Ledger, LedgerEvent } from "./ledger-types.ts";
import { drizzleStatus, nothingToDo, planRun } from "./plan/plan.ts";
import { refuseUnknownTarget } from "./plan/problems.ts";
import type {
  AdoptOptions,
  AdoptReport,
  CallOptions,
  EventsOptions,
  FollowOptions,
  MigrateOptions,
  MigrateReport,
  PlanReport,
  RepairReport,
  ResolveOptions,
  ResolveReport,
  StatusReport,
  WaitOptions,
  WaitReport,
} from "./reports.ts";
import type {
  RollbackOptions,
  RollbackPlan,
  RollbackReport,
  RollbackTarget,
} from "./rollback-types.ts";
import type { OnFailpoint, Run } from "./run-types.ts";
import { stepParser } from "./sql/parse.ts";
import type { Checksum, History, Tag } from "./types.ts";

/**
 * Migrates one database with one history. Each call opens a connection of its own
 * and closes it; nothing is held between calls.
 *
 * Every expected failure is a MigrateError; match on its `code`.
 */
export class DatabaseMigrator {
  readonly #options: ResolvedOptions;
  readonly #calls: Calls;
  /** What fills rows in batches: how far it is, and a person's word on it. */
  readonly backfills: Backfills;

  /**
   * @param internals only for tests of the engine
   * @throws MigrateError `config`, with every mistake in one message
   */
  constructor(options: MigratorOptions, internals: { readonly onFailpoint?: OnFailpoint } = {}) {
    this.#options = resolveOptions(options);
    this.#calls = new Calls(this.#options, internals.onFailpoint);
    this.backfills = new Backfills(this.#calls);
  }

  /**
   * Applies what is pending. Safe to call from any number of processes at once: one
   * works, the others wait and find it done.
   */
  async migrate(options: MigrateOptions = {}): Promise<MigrateReport> {
    const start = performance.now();
    const { to, allowOutOfOrder, allowExisting, allowOlder, mirror, ...call } = options;
    return this.#calls.run(call, async (run) => {
      const plan = { to, allowOutOfOrder, allowExisting, allowOlder, mirror };
      const end = await runMigrations({ ...run, plan });
      const { head, warnings } = await run.history;
      return {
        ...end,
        runId: run.identity.runId,
        head,
        durationMs: Math.round(performance.now() - start),
        warnings: [...warnings, ...end.warnings],
      };
    });
  }

  /** What is applied, pending, failed or stuck. Writes nothing, takes no lease. */
  async status(options: CallOptions = {}): Promise<StatusReport> {
    return this.#read(options, async (history, ledger, run) => {
      const backfills = await unfinished(ledger, () => this.backfills.list(options));
      return statusReport(history, ledger, backfills, await readRunning(run, ledger));
    });
  }

  /**
   * What `migrate()` would do now, and refuse now. A preview: the plan that runs is
   * made under the lease.
   */
  async plan(options: MigrateOptions = {}): Promise<PlanReport> {
    const { to, allowOutOfOrder, allowExisting, allowOlder, ...call } = options;
    return this.#read(call, async (history, ledger) => {
      refuseUnknownTarget(history, to);
      const plan = planRun(history, ledger, { to, allowOutOfOrder, allowExisting, allowOlder });
      const nothing = nothingToDo(plan);
      const steps = nothing === undefined ? await stepParser()(plan.steps) : [];
      return {
        outcome: nothing ?? "pending",
        head: history.head,
        ...drizzleStatus(plan),
        steps: steps.map(plannedStep),
        ...(plan.heldBack && { heldBack: plan.heldBack }),
        repeatables: await plannedRepeatables(history, plan),
        warnings: [...history.warnings, ...warningsOf(plan)],
      };
    });
  }

  /** Tag of the newest applied migration, in the history's order; undefined when there is none. */
  async currentVersion(options: CallOptions = {}): Promise<Tag | undefined> {
    return this.#read(options, (history, ledger) => planRun(history, ledger).version);
  }

  /**
   * Waits until the database has all of this history, applied by another process; one
   * that is ahead is fine. Writes nothing. Ends at once where no run could make it fit
   * (`checksum_mismatch`, `missing_file`, `adopt_required`), after its bound with
   * `lock_timeout`.
   */
  async waitUntilCurrent(options: WaitOptions = {}): Promise<WaitReport> {
    const { timeoutMs = this.#options.waitTimeoutMs, ...call } = options;
    refuseBadNumbers({ times: { timeoutMs } });
    const { waitUntilApplied } = await import("./calls/wait-until-applied.ts");
    return this.#calls.run(call, (run) => waitUntilApplied(run, timeoutMs));
  }

  /**
   * Clears FAILED and STUCK migrations that committed nothing: they are PENDING again.
   * What another run is at work on is waited for. Needs no migrations folder.
   */
  async repair(options: CallOptions = {}): Promise<RepairReport> {
    const { repairLedger } = await import("./calls/repair.ts");
    return this.#calls.run(options, repairLedger, { folder: "optional" });
  }

  /**
   * Tells the ledger what was applied before it: what drizzle's table says, and a person's answers to its rows
   * in doubt; or, where there is no such table, only these. `migrate()` does it by itself where nothing is
   * in doubt. Runs no migration, and writes nothing while a row is in doubt.
   */
  async adopt(options: AdoptOptions = {}): Promise<AdoptReport> {
    const { dryRun = false, mirror, signal, onProgress, ...answers } = options;
    const { adoptDatabase } = await import("./calls/adopt.ts");
    const call = { ...(signal && { signal }), ...(onProgress && { onProgress }) };
    return this.#calls.run(call, (run) =>
      adoptDatabase({ ...run, plan: { mirror, answers } }, dryRun),
    );
  }

  /**
   * A person's answer to whether a statement in doubt was done, which the catalog does not tell:
   * `done` lets the next run go on after it, `retry` makes it run it again. Runs nothing itself.
   *
   * Throws `usage` where nothing of the migration is in doubt, `checksum_mismatch` where the file
   * has another statement in its place.
   */
  async resolve(options: ResolveOptions): Promise<ResolveReport> {
    const { tag, answer, ...call } = options;
    const { resolveDoubt } = await import("./calls/resolve.ts");
    return this.#calls.run(call, (run) => resolveDoubt(run, tag, answer));
  }

  /**
   * Takes migrations back by their down files, the newest first: they are pending again. Safe to call from any number
   * of processes at once: what one has taken back, the others find done. A rollback that was interrupted is
   * gone on with.
   *
   * Throws `data_loss` where rows would go and that is not allowed, `irreversible` and `missing_file` where there is
   * no way back, all before anything has run.
   */
  async rollback(options: RollbackOptions = {}): Promise<RollbackReport> {
    const { signal, onProgress, ...target } = options;
    refuseBadNumbers({ counts: { steps: countOf(target) } });
    const { rollBackMigrations } = await import("./calls/rollback.ts");
    const call = { ...(signal && { signal }), ...(onProgress && { onProgress }) };
    return this.#calls.run(call, (run) => rollBackMigrations(run, target));
  }

  /** What `rollback()` would do now, which rows would go, and what forbids it. */
  async planRollback(options: CallOptions & RollbackTarget = {}): Promise<RollbackPlan> {
    const { steps, to, ...call } = options;
    refuseBadNumbers({ counts: { steps: countOf({ steps }) } });
    const { previewRollback } = await import("./calls/rollback.ts");
    return this.#calls.run(call, (run) => previewRollback(run, { steps, to }));
  }

  /** The log, oldest first; empty where there is no ledger. Needs no migrations folder. */
  async events(options: EventsOptions = {}): Promise<readonly LedgerEvent[]> {
    const { tag, after = 0, newest, ...call } = options;
    refuseBadNumbers({ times: { after }, counts: { newest } });
    const { readEventsOnce } = await import("./calls/events.ts");
    return this.#calls.run(call, (run) => readEventsOnce(run, { tag, after, newest }), {
      folder: "optional",
    });
  }

  /**
   * The log, and then what is added to it, until the signal comes (which is thrown as
   * `canceled`) or the caller stops. Connects again after a loss.
   */
  async *followEvents(options: FollowOptions = {}): AsyncGenerator<LedgerEvent, void, void> {
    const { tag, after = 0, newest, everyMs = 500, ...call } = options;
    refuseBadNumbers({ times: { after, everyMs }, counts: { newest } });
    const { followLog } = await import("./calls/events.ts");
    const noHistory = new Promise<never>(() => undefined);
    const run = this.#calls.request(call, call.signal, noHistory);
    try {
      yield* followLog(run, { tag, after, newest }, everyMs);
    } catch (error) {
      throw this.#calls.errorOf(call, error);
    }
  }

  /**
   * Digest of all that decides what `migrate({ to })` makes of an empty database: two that are
   * equal make the same one. Reads only the folder, connects to nothing.
   */
  async fingerprint(options: Pick<MigrateOptions, "to"> = {}): Promise<Checksum> {
    return fingerprintOf(await this.#calls.history(), options.to, this.#options);
  }

  async #read<T>(
    call: CallOptions,
    use: (history: History, ledger: Ledger, run: Run) => T | Promise<T>,
  ): Promise<T> {
    return this.#calls.run(call, async (run) => {
      const ledger = await readLedger(run);
      return use(await run.history, ledger, run);
    });
  }
}

function countOf({ steps }: RollbackTarget): number | undefined {
  return steps === "all" ? undefined : steps;
}
