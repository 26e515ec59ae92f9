import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { pid } from "node:process";
import { Problem } from "../../base/problem.ts";
import { type ConnectOptions, connect } from "../../connection/connect.ts";
import { MigrateError } from "../errors.ts";
import { readGiven } from "../history/given.ts";
import { loadHistory } from "../history/load.ts";
import { RunnerRowMissing } from "../ledger/replies.ts";
import type { Progress } from "../progress-types.ts";
import type { CallOptions } from "../reports.ts";
import type { OnFailpoint, Run } from "../run-types.ts";
import { maskText } from "../sql/secrets.ts";
import type { History } from "../types.ts";
import { TOOL_VERSION } from "../version.ts";
import type { ResolvedOptions } from "./options.ts";
import { asMigrateError, ofConnection, stoppedError } from "./thrown.ts";

/** What every call of a migrator has in common: a request of its own, and what is thrown for it. */
export class Calls {
  readonly #options: ResolvedOptions;
  readonly #onFailpoint: OnFailpoint | undefined;

  constructor(options: ResolvedOptions, onFailpoint: OnFailpoint | undefined) {
    this.#options = options;
    this.#onFailpoint = onFailpoint;
  }

  /** Reads the folder while the work connects; where it is needed, a bad one ends the work at once. */
  async run<T>(
    call: CallOptions,
    work: (run: Run) => Promise<T>,
    { folder }: { readonly folder: "needed" | "optional" } = { folder: "needed" },
  ): Promise<T> {
    const badFolder = new AbortController();
    const history = this.history();
    history.catch(() => {
      if (folder === "needed") badFolder.abort();
    });
    const signals = call.signal ? [call.signal, badFolder.signal] : [badFolder.signal];
    const attempt = () => work(this.request(call, AbortSignal.any(signals), history));
    try {
      return await attempt().catch((error: unknown) => {
        // The advice for it is too dangerous to be given for one odd answer.
        if (error instanceof RunnerRowMissing) return attempt();
        throw error;
      });
    } catch (error) {
      if (folder === "needed") await history;
      throw this.errorOf(call, error);
    }
  }

  /** Reads the folder, or takes what was given in its place; warns of the URL too. */
  async history(): Promise<History> {
    const { dir, history, before, repeatables, urlWarnings } = this.#options;
    const found = await (history === undefined
      ? loadHistory(dir)
      : readGiven(history, before, repeatables)
    ).catch((error: unknown) => {
      throw error instanceof Problem && !(error instanceof MigrateError)
        ? ofConnection(error)
        : error;
    });
    return { ...found, warnings: [...urlWarnings, ...found.warnings] };
  }

  /** What is thrown for an error of a call. */
  errorOf(call: CallOptions, error: unknown): unknown {
    return stoppedError(call.signal, error) ?? asMigrateError(error, this.#options.schema);
  }

  /** All that the engine is given for one call. */
  request(call: CallOptions, signal: AbortSignal | undefined, history: Promise<History>): Run {
    const {
      appVersion,
      dir: _dir,
      history: _history,
      before: _before,
      repeatables: _repeatables,
      urlWarnings: _urlWarnings,
      ...settings
    } = this.#options;
    return {
      ...settings,
      history,
      plan: {},
      waiting: { since: undefined },
      server: { started: undefined, hasTerminated: false },
      identity: {
        runId: randomUUID(),
        host: hostname(),
        processId: pid,
        toolVersion: TOOL_VERSION,
        appVersion,
      },
      signal,
      onProgress: shielded(call.onProgress),
      // The engine's sessions send no other names.
      onFailpoint: this.#onFailpoint as ConnectOptions["onFailpoint"],
    };
  }
}

/**
 * Connects for a call, and runs its first query.
 *
 * @throws MigrateError `connect`, `config`; the signal's reason
 */
export async function openLedger(
  options: ConnectOptions,
  firstQuery: string,
): ReturnType<typeof connect> {
  try {
    return await connect(options, firstQuery);
  } catch (error) {
    throw error instanceof Problem ? ofConnection(error) : error;
  }
}

/** Progress callbacks are the caller's: what they throw must not end a run half-way. */
function shielded(onProgress: ((progress: Progress) => void) | undefined) {
  return (progress: Progress): void => {
    try {
      onProgress?.(
        progress.kind === "notice"
          ? { ...progress, message: maskText(progress.message, []) }
          : progress,
      );
    } catch {
      // Documented: an error thrown by onProgress is ignored.
    }
  };
}
