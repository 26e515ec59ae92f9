import { ownSettings } from "../../connection/begin.ts";
import type { Session } from "../../connection/session.ts";
import { MigrateError } from "../errors.ts";
import { fence, releaseLease } from "../lease/sql.ts";
import { COPY } from "../ledger/event-copy.ts";
import { type RecordContext, record } from "../ledger/record.ts";
import { despiteLateCancel, rollBack } from "../ledger/replies.ts";
import type { ParsedStep } from "../sql/segments.ts";
import type { RecordedError } from "../types.ts";
import { subjectOf } from "./transaction.ts";

/** A failure to be recorded, and what is to be thrown for it. */
export interface Failure {
  readonly steps: readonly ParsedStep[];
  /** Which of them failed. */
  readonly index: number;
  readonly recorded: RecordedError;
  readonly code: "migration_failed" | "lock_timeout" | "canceled";
  readonly remedy: string;
  readonly cause: unknown;
  /** A statement outside transactions has ended, and nothing of it is to be looked for. */
  readonly ended?: boolean;
}

/** What writes it. */
interface Recorder {
  readonly session: Session;
  readonly context: RecordContext;
  readonly onCopied: (behind: string | null) => void;
}

/**
 * Writes `failed` and gives the lease back, in one transaction. Where that fails too,
 * the first error is still the one that is returned.
 */
export async function recordAndRelease(
  { session, context, onCopied }: Recorder,
  { steps, index, recorded, code, remedy, cause, ended }: Failure,
): Promise<MigrateError> {
  const step = steps[index];
  if (step === undefined) throw new RangeError(`no step ${index}`);
  const { tag } = step.migration;
  const payload = { error: recorded, ...(ended && { ended: true as const }) };
  const text = [
    // With the record in one message: nobody is to find the lease without either.
    "rollback",
    "begin isolation level read committed read write",
    ownSettings(session.serverVersion),
    fence(context.schema, context.lease, { activity: tag }),
    ...record(context, [{ type: "migration.failed", ...subjectOf(step), payload }], {
      head: null,
      activity: tag,
    }),
    releaseLease(context.schema, context.lease),
    "commit",
  ].join(";\n");
  let note = "";
  try {
    await despiteLateCancel(async () => {
      const { reply } = await session.send("failed", text);
      const { rows } = await reply.catch(async (error: unknown) => {
        await rollBack(session);
        throw error;
      });
      const copied = rows.find((row) => COPY in row);
      if (copied !== undefined) onCopied(copied[COPY] as string | null);
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    note = `\nThe failure could not be recorded (${why}): status shows ${tag} as STUCK until the next run.`;
  }
  return new MigrateError({
    code,
    tag,
    fact: `${recorded.text}${note}`,
    remedy,
    recorded,
    applied: steps.slice(0, index).map(({ migration }) => migration.tag),
    notRun: steps.slice(index + 1).map(({ migration }) => migration.tag),
    cause,
  });
}
