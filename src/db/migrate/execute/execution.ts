import type { SecondConnection } from "../../connection/second.ts";
import type { Session } from "../../connection/session.ts";
import type { RecordContext } from "../ledger/record.ts";
import type { UnderWay } from "../outside-types.ts";
import type { AppliedMigration, Progress } from "../reports.ts";
import type { ParsedStep } from "../sql/segments.ts";
import type { RowValues } from "./failure.ts";
import type { Part } from "./parts.ts";

/** What a run under the lease works with. */
export interface Execution {
  readonly session: Session;
  readonly second: SecondConnection;
  readonly context: RecordContext;
  readonly steps: readonly ParsedStep[];
  readonly parts: readonly Part[];
  readonly onProgress: (progress: Progress) => void;
  readonly signal: AbortSignal | undefined;
  readonly rowValues: RowValues;
  /** Told after each record whether the app's copy of the events stays behind, and why. */
  readonly onCopied: (behind: string | null) => void;
  /** Called for each migration whose commit was confirmed. */
  readonly onApplied: (applied: AppliedMigration) => void;
  /** How many fenced messages of this run are committed: the number of the next one. */
  readonly counter: { committed: number };
  /** What this run has begun outside transactions and not recorded as done; null once that was judged. */
  readonly begun: Map<Part, UnderWay | null>;
}

/** A statement that was begun earlier, and that is to be judged before the part is run. */
export function begunBefore({ begun }: Execution, part: Part): UnderWay | null {
  const own = begun.get(part);
  if (own !== undefined) return own;
  return part.isFirst ? part.step.underWay : null;
}
