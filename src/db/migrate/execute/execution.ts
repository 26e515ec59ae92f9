import type { SecondConnection } from "../../connection/second.ts";
import type { LoadedCode } from "../code/load-code.ts";
import type { UnderWay } from "../ledger-types.ts";
import type { AppliedMigration } from "../reports.ts";
import type { HeldRun, MessageName } from "../run-types.ts";
import type {
  CodeSegment,
  OutsideSegment,
  ParsedStep,
  TransactionSegment,
} from "../sql/segments.ts";
import type { Tag } from "../types.ts";
import type { BlockerWatch } from "./blockers.ts";

/** What a run under the lease works with. */
export interface Execution extends HeldRun, RunHooks {
  /** For what must be sent while the session is busy. */
  readonly second: SecondConnection<MessageName>;
  readonly watch: BlockerWatch;
  readonly steps: readonly ParsedStep[];
  readonly parts: readonly Part[];
  /** How many fenced messages of this run are committed: the number of the next one. */
  readonly counter: { committed: number };
  /** What this run has begun outside transactions and not recorded as done; null once that was judged. */
  readonly begun: Map<Part, UnderWay | null>;
}

export interface RunHooks {
  /** Told after each record whether the app's copy of the events is behind, and why. */
  readonly onCopied: (behind: string | null) => void;
  /** Called for each migration whose commit was confirmed. */
  readonly onApplied: (applied: AppliedMigration) => void;
}

/** A segment's place in the run. */
interface Place {
  readonly step: ParsedStep;
  /** Among the run's migrations, from 0. */
  readonly stepIndex: number;
  /** The first that is left of its migration. */
  readonly isFirst: boolean;
  /** Its end is the migration's. */
  readonly isLast: boolean;
  /** The migration after this one; undefined where there is none, or where this one goes on. */
  readonly following: ParsedStep | undefined;
}

export type TransactionPart = Place & TransactionSegment;
export type OutsidePart = Place & OutsideSegment;
export type CodePart = Place & CodeSegment;

/** What code works with: a run under the lease, or a backfill in the background. */
export type CodeHost = Pick<HeldRun, "session" | "signal" | "onProgress" | "stepTimeoutMs">;

/** Which migration's code it is. */
export interface CodePlace {
  readonly step: { readonly migration: { readonly tag: Tag }; readonly attempt: number };
  readonly code: LoadedCode;
}

/** A segment of a migration that is to run, with its place in the run. */
export type Part = TransactionPart | OutsidePart | CodePart;

/** All that a run does, in order. */
export function partsOf(steps: readonly ParsedStep[]): readonly Part[] {
  return steps.flatMap((step, stepIndex) =>
    step.segments.map((segment, i, all): Part => {
      const isLast = i === all.length - 1;
      const following = isLast ? steps[stepIndex + 1] : undefined;
      return { ...segment, step, stepIndex, isFirst: i === 0, isLast, following };
    }),
  );
}

/** A statement that was begun earlier, and must be judged before the part is run. */
export function begunBefore({ begun }: Execution, part: Part): UnderWay | null {
  const own = begun.get(part);
  if (own !== undefined) return own;
  return part.isFirst ? part.step.underWay : null;
}
