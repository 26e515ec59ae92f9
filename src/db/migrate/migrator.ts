import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { pid } from "node:process";
import { canceledError, MigrateError } from "./errors.ts";
import { loadHistory } from "./io/folder.ts";
import { ledgerError } from "./io/ledger.ts";
import { SessionLost } from "./io/loss.ts";
import type { RunRequest } from "./io/request.ts";
import { readLedger, runMigrations, shielded } from "./io/run.ts";
import { isServerError, type OnFailpoint } from "./io/session.ts";
import { fingerprintOf } from "./pure/fingerprint.ts";
import { type MigratorOptions, type ResolvedOptions, resolveOptions } from "./pure/options.ts";
import { nothingToDo, stepParser } from "./pure/parse-steps.ts";
import { planRun, versionOf } from "./pure/plan.ts";
import { refuseUnknownTarget } from "./pure/plan-problems.ts";
import type { Checksum, History, Ledger, MigrationStatus, Progress, Tag } from "./types.ts";
import { TOOL_VERSION } from "./version.ts";

export interface CallOptions {
  /** Stops the call: what runs is canceled, rolled back and recorded as such. */
  readonly signal?: AbortSignal;
  /** Told of each step. What it throws is ignored. */
  readonly onProgress?: (progress: Progress) => void;
}

export interface MigrateOptions extends CallOptions {
  /** Last migration to apply; all of them when absent. */
  readonly to?: Tag;
  /** Apply pending migrations that are older than applied ones. Default: refuse. */
  readonly allowOutOfOrder?: boolean;
}

export interface MigrateReport {
  /** Tag of the newest migration of this history that is applied now. */
  readonly version: Tag | undefined;
  /**
   * `applied`: this run did; `current`: nothing was pending (or another runner did it
   * while this one waited); `newer`: the database is ahead of this history.
   */
  readonly outcome: "applied" | "current" | "newer";
  readonly runId: string;
  readonly head: Checksum;
  readonly applied: readonly { readonly tag: Tag; readonly durationMs: number }[];
  readonly durationMs: number;
  /**
   * Each migration as the run left it. Absent where the database's head alone told
   * that nothing was pending, and nothing else was read.
   */
  readonly migrations?: readonly MigrationStatus[];
  readonly warnings: readonly string[];
}

export interface StatusReport {
  /** Tag of the newest applied migration, in the history's order. */
  readonly version: Tag | undefined;
  /** Head of the history on disk. */
  readonly head: Checksum;
  /** The database is ahead of this history, which is fine. */
  readonly newer: boolean;
  /** Migrations that a run would apply. */
  readonly pending: number;
  readonly migrations: readonly MigrationStatus[];
  /** What would forbid a run. */
  readonly problems: readonly MigrateError[];
  readonly warnings: readonly string[];
}

export interface PlanReport {
  /** `pending`: `migrate()` would run the steps. */
  readonly outcome: "pending" | "current" | "newer";
  readonly head: Checksum;
  readonly steps: readonly PlannedStep[];
  readonly warnings: readonly string[];
}

export interface PlannedStep {
  readonly tag: Tag;
  readonly file: string;
  /** The statements that would run, as written. */
  readonly statements: readonly string[];
  /** Statements that an earlier attempt committed; they are not in the list. */
  readonly resumeAt: number;
}

/**
 * Migrates one database with one history. Each call opens a connection of its own
 * and closes it; nothing is held between calls.
 *
 * Every expected failure is a MigrateError; match on its `code`.
 */
export class DatabaseMigrator {
  readonly #options: ResolvedOptions;
  readonly #onFailpoint: OnFailpoint | undefined;

  /**
   * @param internals for tests of the engine alone
   * @throws MigrateError `config`, with every mistake in one message
   */
  constructor(options: MigratorOptions, internals: { readonly onFailpoint?: OnFailpoint } = {}) {
    this.#options = resolveOptions(options);
    this.#onFailpoint = internals.onFailpoint;
  }

  /**
   * Applies what is pending. Safe to call from any number of processes at once: one
   * works, the others wait and find it done.
   */
  async migrate(options: MigrateOptions = {}): Promise<MigrateReport> {
    const start = performance.now();
    const { to, allowOutOfOrder, ...call } = options;
    return this.#guard(call, async (request) => {
      const plan = definedOnly({ to, allowOutOfOrder });
      const result = await runMigrations({ ...request, plan });
      const { head, warnings } = await request.history;
      return {
        ...result,
        runId: request.identity.runId,
        head,
        durationMs: Math.round(performance.now() - start),
        warnings,
      };
    });
  }

  /** What is applied, pending, failed or stuck. Writes nothing, takes no lease. */
  async status(options: CallOptions = {}): Promise<StatusReport> {
    return this.#read(options, (history, ledger) => {
      const plan = planRun(history, ledger);
      return {
        version: versionOf(ledger),
        head: history.head,
        newer: plan.newer,
        pending: plan.steps.length,
        migrations: plan.migrations,
        problems: plan.newer ? [] : plan.problems,
        warnings: history.warnings,
      };
    });
  }

  /**
   * What `migrate()` would do now, and refuse now. A preview: the plan that runs is
   * made under the lease.
   */
  async plan(options: MigrateOptions = {}): Promise<PlanReport> {
    const { to, allowOutOfOrder, ...call } = options;
    return this.#read(call, async (history, ledger) => {
      refuseUnknownTarget(history, to);
      const plan = planRun(history, ledger, definedOnly({ to, allowOutOfOrder }));
      const nothing = nothingToDo(plan);
      const steps = nothing === undefined ? await stepParser()(plan.steps) : [];
      return {
        outcome: nothing ?? "pending",
        head: history.head,
        steps: steps.map(({ migration, statements, resumeAt }) => ({
          tag: migration.tag,
          file: migration.file,
          statements: statements.slice(resumeAt).map(({ text }) => text),
          resumeAt,
        })),
        warnings: history.warnings,
      };
    });
  }

  /** Tag of the newest applied migration, in the history's order; undefined when there is none. */
  async currentVersion(options: CallOptions = {}): Promise<Tag | undefined> {
    return this.#read(options, (_history, ledger) => versionOf(ledger));
  }

  /**
   * Digest of all that decides what `migrate({ to })` makes of an empty database: two that are
   * equal make the same one. Reads the folder alone, connects to nothing.
   */
  async fingerprint(options: Pick<MigrateOptions, "to"> = {}): Promise<Checksum> {
    const { dir, ledgerSchema } = this.#options;
    const history = await loadHistory(dir);
    return fingerprintOf(history, { to: options.to, ledgerSchema, toolVersion: TOOL_VERSION });
  }

  async #read<T>(
    call: CallOptions,
    use: (history: History, ledger: Ledger) => T | Promise<T>,
  ): Promise<T> {
    return this.#guard(call, async (request) => {
      const ledger = await readLedger(request);
      return use(await request.history, ledger);
    });
  }

  /** Reads the folder while the work connects; a bad folder ends the work at once. */
  async #guard<T>(call: CallOptions, work: (request: RunRequest) => Promise<T>): Promise<T> {
    const badFolder = new AbortController();
    const history = loadHistory(this.#options.dir);
    history.catch(() => badFolder.abort());
    const signals = call.signal ? [call.signal, badFolder.signal] : [badFolder.signal];
    try {
      return await work(this.#request(call, AbortSignal.any(signals), history));
    } catch (error) {
      await history;
      throw call.signal?.aborted && !(error instanceof MigrateError)
        ? canceledError(error)
        : asMigrateError(error, this.#options.ledgerSchema);
    }
  }

  #request(call: CallOptions, signal: AbortSignal, history: Promise<History>): RunRequest {
    const { url, ledgerSchema, connectTimeoutMs, waitTimeoutMs, appVersion } = this.#options;
    return {
      url,
      schema: ledgerSchema,
      connectTimeoutMs,
      waitTimeoutMs,
      history,
      plan: {},
      identity: {
        runId: randomUUID(),
        host: hostname(),
        processId: pid,
        toolVersion: TOOL_VERSION,
        appVersion,
      },
      signal,
      onProgress: shielded(call.onProgress),
      onFailpoint: this.#onFailpoint,
    };
  }
}

/** What the ledger's reading and writing may throw; anything else is a defect of ours. */
function asMigrateError(error: unknown, schema: string): unknown {
  if (isServerError(error)) return ledgerError(schema, error);
  if (error instanceof SessionLost) {
    return new MigrateError({
      code: "connect",
      fact: `${error.message}.`,
      remedy: "Look at the server's log, then run it again.",
      cause: error,
    });
  }
  return error;
}

/** Leaves out what is undefined, which is not the same as absent. */
function definedOnly(options: {
  readonly to: Tag | undefined;
  readonly allowOutOfOrder: boolean | undefined;
}): RunRequest["plan"] {
  return {
    ...(options.to !== undefined && { to: options.to }),
    ...(options.allowOutOfOrder !== undefined && { allowOutOfOrder: options.allowOutOfOrder }),
  };
}
