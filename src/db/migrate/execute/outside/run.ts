import { isServerError } from "../../../connection/session.ts";
import { COPY } from "../../ledger/event-copy.ts";
import { DURATION } from "../../ledger/record.ts";
import type { ObjectState, UnderWay } from "../../outside-types.ts";
import type { Execution } from "../execution.ts";
import type { ServerErrorFields } from "../failure.ts";
import type { Part } from "../parts.ts";
import { endMessage, type Message, type Stage } from "../transaction.ts";
import { fenced, runAlone } from "./alone.ts";
import { judgeEnd, leftBehind } from "./judge.ts";
import {
  beginMessage,
  lockTimeoutOf,
  type OutsidePart,
  outsideMessage,
  underWayOf,
} from "./message.ts";
import { stateBefore, stateNow } from "./object-state.ts";

/** A statement outside transactions that failed. */
export interface OutsideFailure {
  /** The server's error, or what the catalog says against the server. */
  readonly error: ServerErrorFields;
  readonly message: Message;
  readonly stage: Stage;
  /** What it has left behind, as a sentence. */
  readonly left: string;
}

/** Code of our own: the server reported success, and the catalog says otherwise. */
const NOT_DONE = "TM003";

const STATEMENT: Stage = { kind: "statement", index: 0 };

/**
 * Runs one statement outside transactions: records that it begins, with the state of its object
 * before, runs it, looks in the catalog whether it was done, and records that. Nothing else of the
 * run may be on its way.
 *
 * @returns how long the migration took where it was done, in milliseconds; 0 where it goes on
 * @throws LeaseLost, SessionLost; ServerError where one of its records fails
 */
export async function runOutside(
  execution: Execution,
  part: OutsidePart,
): Promise<OutsideFailure | number> {
  const { session, context, counter } = execution;
  const { placed, outside, settings } = part.segment;
  const { tag } = part.step.migration;
  const message = outsideMessage(context.lease, part);
  let before: ObjectState;
  try {
    before = await stateBefore(execution, part, outside.action, placed.statement);
  } catch (error) {
    if (!isServerError(error)) throw error;
    const { code, message: text, detail, hint } = error;
    // Its position is one in the look's own text.
    const failed = { code, message: text, detail, hint };
    return { error: failed, message, stage: STATEMENT, left: `${outside.label} was not begun.` };
  }
  const underWay = underWayOf(part, before);
  const text = beginMessage(context, counter.committed, part, underWay, session.serverVersion);
  await fenced(session, `begin:${tag}#${underWay.statement}`, text);
  const fencedAt = performance.now();
  counter.committed += 1;
  execution.begun.set(part, underWay);
  const statements = part.step.statements.length;
  const { statement, label } = underWay;
  execution.onProgress({ kind: "statement-started", tag, statement, statements, label });
  let durationMs: number;
  try {
    durationMs = await runAlone(execution, {
      name: `statement:${tag}#${statement}`,
      text: message.text,
      settings: settings.session,
      lockTimeoutMs: lockTimeoutOf(outside, context.lockTimeoutMs),
      fencedAt,
    });
  } catch (error) {
    if (!isServerError(error)) throw error;
    return { error, message, stage: STATEMENT, left: await leftBy(execution, part, underWay) };
  }
  const now = await stateNow(execution, part, outside.action);
  const problem = judgeEnd(before, now);
  if (problem !== undefined) {
    const error = { code: NOT_DONE, message: `${label}: ${problem}` };
    return { error, message, stage: STATEMENT, left: leftBehind(underWay, now) };
  }
  const took = await recordEnd(execution, part, Math.round(durationMs));
  execution.onProgress({ kind: "statement-done", tag, statement, label, durationMs });
  return took;
}

/**
 * Records that a statement outside transactions was done.
 *
 * @returns how long the migration took, in milliseconds; 0 where it goes on
 * @throws LeaseLost, SessionLost
 */
export async function recordEnd(
  execution: Execution,
  part: Part,
  durationMs?: number,
): Promise<number> {
  const { session, context, counter } = execution;
  const { serverVersion } = session;
  const text = endMessage(context, counter.committed, part, { durationMs, serverVersion });
  const name = `end:${part.step.migration.tag}#${part.segment.to}`;
  const { rows } = await fenced(session, name, text);
  counter.committed += 1;
  execution.begun.set(part, null);
  const copied = rows.find((row) => COPY in row);
  if (copied !== undefined) execution.onCopied(copied[COPY] as string | null);
  return Number(rows.find((row) => DURATION in row)?.[DURATION] ?? 0);
}

/** A look after an error, which must not hide it. */
async function leftBy(
  execution: Execution,
  part: OutsidePart,
  underWay: UnderWay,
): Promise<string> {
  try {
    return leftBehind(underWay, await stateNow(execution, part, underWay.action));
  } catch (error) {
    if (!isServerError(error)) throw error;
    return "What it has left behind could not be seen: the next run looks again.";
  }
}
