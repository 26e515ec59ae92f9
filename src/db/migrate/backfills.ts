import type { BackfillAction, BackfillOutcome, BackfillStatus } from "./backfill-types.ts";
import type { Calls } from "./calls/call.ts";
import type { CallOptions } from "./reports.ts";
import type { Tag } from "./types.ts";

/** The backfills of a database, as a migrator sees them. Every expected failure is a MigrateError. */
export class Backfills {
  readonly #calls: Calls;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** All of them, in the order in which they began. Writes nothing; needs no migrations folder. */
  async list(options: CallOptions = {}): Promise<readonly BackfillStatus[]> {
    const { listBackfills } = await import("./calls/backfill-calls.ts");
    return this.#calls.run(options, listBackfills, { folder: "optional" });
  }

  /** Whether the role may run them; false where the database has none. */
  async isAllowed(options: CallOptions = {}): Promise<boolean> {
    const { mayRunBackfills } = await import("./calls/backfill-calls.ts");
    return this.#calls.run(options, mayRunBackfills, { folder: "optional" });
  }

  /** It stops after its batch, and starts for nobody until it is resumed. */
  pause(tag: Tag, options: CallOptions = {}): Promise<BackfillStatus> {
    return this.#change(tag, "pause", options);
  }

  /** It goes on from where it is, also where it was canceled or has failed. */
  resume(tag: Tag, options: CallOptions = {}): Promise<BackfillStatus> {
    return this.#change(tag, "resume", options);
  }

  /** It stops after its batch; a migration that waits for it fails. */
  cancel(tag: Tag, options: CallOptions = {}): Promise<BackfillStatus> {
    return this.#change(tag, "cancel", options);
  }

  /**
   * Runs those of the background that wait for a worker, one after the other. Safe to call from any number of
   * processes: what another one runs is left to it.
   */
  async run(
    options: CallOptions & { readonly tag?: Tag | undefined } = {},
  ): Promise<readonly BackfillOutcome[]> {
    const { tag, ...call } = options;
    const { runBackgroundBackfills } = await import("./calls/background.ts");
    return this.#calls.run(call, (run) => runBackgroundBackfills(run, tag));
  }

  async #change(tag: Tag, action: BackfillAction, options: CallOptions): Promise<BackfillStatus> {
    const { changeBackfill } = await import("./calls/backfill-calls.ts");
    return this.#calls.run(options, (run) => changeBackfill(run, tag, action), {
      folder: "optional",
    });
  }
}
