import type { ServerError } from "../../connection/session.ts";
import type { BlockerWatch } from "../execute/blockers.ts";
import type { RepeatableRun } from "../plan/repeatable-plan.ts";
import type { RanRepeatable, RepeatableReason, RepeatableRow } from "../repeatable-types.ts";
import type { HeldRun } from "../run-types.ts";
import type { Checksum, Tag } from "../types.ts";
import type { ParsedRepeatable } from "./parse-repeatables.ts";
import type { Unit, UnitMessage, unitStage } from "./unit-message.ts";

/** What a run does with repeatables. */
export interface RepeatableWork {
  /** All of the folder, in their order. */
  readonly all: readonly ParsedRepeatable[];
  readonly runs: readonly RepeatableRun[];
  readonly rows: ReadonlyMap<Tag, RepeatableRow>;
  /** Those of which the database has a newer text: they are not run, and not made again with others. */
  readonly older: readonly Tag[];
  /** Of all of them; remembered when the last has run. Undefined: it is left as it is. */
  readonly digest: Checksum | null | undefined;
  readonly onRan: (ran: RanRepeatable) => void;
  /** Told after each record whether the app's copy of the events is behind, and why. */
  readonly onCopied: (behind: string | null) => void;
}

/** A repeatable's turn. */
export interface UnitRun {
  readonly run: HeldRun;
  readonly work: RepeatableWork;
  /** The one that is to run; others may have to run with it. */
  readonly one: ParsedRepeatable;
  /** What is left to run, this one too. */
  readonly due: Map<Tag, RepeatableReason>;
  readonly watch: BlockerWatch;
}

/** A unit that failed: it was rolled back. */
export interface UnitFailure {
  readonly unit: Unit;
  readonly message: UnitMessage;
  readonly stage: ReturnType<typeof unitStage>;
  readonly error: ServerError;
}
