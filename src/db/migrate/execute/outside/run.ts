import { ask, columnOf } from "../../../connection/ask.ts";
import { isServerError, type Reply } from "../../../connection/session.ts";
import { transactFenced } from "../../lease/hold.ts";
import { LeaseLost } from "../../lease/lost.ts";
import { startHeartbeat } from "../../lease/renew.ts";
import { COPY } from "../../ledger/event-copy.ts";
import { DURATION } from "../../ledger/record.ts";
import type { ObjectState, UnderWay } from "../../ledger-types.ts";
import type { MessageName, Session } from "../../run-types.ts";
import type { MadeSetting } from "../../sql/made-settings.ts";
import type { Execution, OutsidePart, Part } from "../execution.ts";
import type { ServerErrorFields } from "../failure-text.ts";
import { endOfPart, leaveNothingBehind, type Message, type Stage } from "../transaction.ts";
import { judgeEnd, leftBehind } from "./judge.ts";
import {
  activityOf,
  beginOf,
  endIdleSession,
  IDLE_SESSION_MS,
  lockTimeoutOf,
  marked,
  outsideMessage,
  sessionSettings,
  underWayOf,
} from "./message.ts";
import { stateBefore, stateNow } from "./probe.ts";

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
  const { outside, settings } = part;
  const { tag } = part.step.migration;
  const message = outsideMessage(execution.lease, part);
  let before: ObjectState;
  try {
    before = await stateBefore(execution, part);
  } catch (error) {
    if (!isServerError(error)) throw error;
    const { code, message: text, detail, hint } = error;
    // Its position is one in the look's own text.
    const failed = { code, message: text, detail, hint };
    return { error: failed, message, stage: STATEMENT, left: `${outside.label} was not begun.` };
  }
  const underWay = underWayOf(part, before);
  const { statement, label } = underWay;
  const begin = beginOf(execution, part, underWay);
  await fenced(execution, `begin:${tag}#${statement}`, activityOf(part), begin);
  const fencedAt = performance.now();
  execution.begun.set(part, underWay);
  const statements = part.step.total;
  execution.onProgress({ kind: "statement-started", tag, statement, statements, label });
  let durationMs: number;
  try {
    durationMs = await runUnfenced(execution, {
      name: `statement:${tag}#${statement}`,
      text: message.text,
      settings: settings.session,
      lockTimeoutMs: lockTimeoutOf(outside, execution.lockPatience.lockTimeoutMs),
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
  const { tag } = part.step.migration;
  const statements = endOfPart(execution, part, durationMs);
  const reply = await fenced(execution, `end:${tag}#${part.to}`, tag, statements);
  execution.begun.set(part, null);
  const copied = columnOf(reply, COPY);
  if (copied !== undefined) execution.onCopied(copied as string | null);
  return Number(columnOf(reply, DURATION) ?? 0);
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
    return "What it left behind could not be read: the next run checks again.";
  }
}

/** A statement that no transaction holds and no fence. */
interface Unfenced {
  /** Of the message. */
  readonly name: MessageName;
  /** With its mark. */
  readonly text: string;
  /** Made by the file before it. */
  readonly settings: readonly MadeSetting[];
  /** 0 for none. */
  readonly lockTimeoutMs: number;
  /** When the lease was proved last, by `performance.now()`. */
  readonly fencedAt: number;
}

/**
 * Runs a statement by itself, with the lease kept by a second connection, and leaves the
 * session as it was.
 *
 * @returns how long it took, in milliseconds
 * @throws ServerError; LeaseLost, SessionLost
 */
async function runUnfenced(execution: Execution, one: Unfenced): Promise<number> {
  const { session, second } = execution;
  const { direct } = execution.lease;
  if (direct) {
    await ask(session, "settings", sessionSettings(one, session.serverVersion)).catch(
      async (error: unknown) => {
        await leave(session);
        throw error;
      },
    );
  } else if (performance.now() - one.fencedAt > IDLE_SESSION_MS) {
    // Behind a pooler the server does not count for us: after a freeze the lease is proved again.
    await prove(execution);
  }
  const start = performance.now();
  const sent = await session.send(one.name, one.text, { cancelable: "always" });
  let lost = false;
  const stopHeartbeat = startHeartbeat(second, execution, () => {
    lost = true;
    void sent.cancel();
  });
  try {
    await sent.reply;
    return performance.now() - start;
  } catch (error) {
    throw lost ? new LeaseLost(undefined, { cause: error }) : error;
  } finally {
    stopHeartbeat();
    if (direct) await leave(session);
  }
}

/** Runs what clears away, or ends, what an interrupted statement has left. */
export async function clearAway(
  execution: Execution,
  statement: number,
  sql: string,
  how: Pick<Unfenced, "settings" | "lockTimeoutMs">,
): Promise<void> {
  await prove(execution);
  await runUnfenced(execution, {
    name: "clear",
    text: marked(execution.lease, statement, sql),
    ...how,
    fencedAt: performance.now(),
  });
}

/** Proves the lease; on a connection of our own the server ends the session when nothing follows soon. */
async function prove(execution: Execution): Promise<void> {
  await fenced(execution, "prove", null, endIdleSession(execution.lease));
}

/** Sends the run's next fenced transaction by itself. */
async function fenced(
  run: Execution,
  name: MessageName,
  activity: string | null,
  statements: readonly string[],
): Promise<Reply> {
  const proof = { step: run.counter.committed, activity };
  const reply = await transactFenced(run, name, proof, statements);
  run.counter.committed += 1;
  return reply;
}

async function leave(session: Session): Promise<void> {
  await ask(session, "leave", leaveNothingBehind(true).join(";\n"));
}
