import { ownSettings } from "../../../connection/begin.ts";
import type { Session } from "../../../connection/session.ts";
import { startHeartbeat } from "../../lease/heartbeat.ts";
import { LeaseLost } from "../../lease/lost.ts";
import { fence } from "../../lease/sql.ts";
import { isContended, rollBack } from "../../ledger/replies.ts";
import type { MadeSetting } from "../../sql/made-settings.ts";
import type { Execution } from "../execution.ts";
import { leaveNothingBehind } from "../transaction.ts";
import { MOST_IDLE_MS, marked, sessionSettings } from "./message.ts";

/** A statement that no transaction holds and no fence. */
export interface Alone {
  /** Of the message. */
  readonly name: string;
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
export async function runAlone(execution: Execution, alone: Alone): Promise<number> {
  const { session, context, second } = execution;
  const { direct } = context.lease;
  if (direct) {
    const { lockTimeoutMs } = alone;
    const { serverVersion } = session;
    const text = sessionSettings(alone.settings, { lockTimeoutMs, serverVersion });
    const { reply } = await session.send("settings", text);
    await reply.catch(async (error: unknown) => {
      await leave(session);
      throw error;
    });
  } else if (performance.now() - alone.fencedAt > MOST_IDLE_MS) {
    // No pooler counts for us: whoever was frozen since proves the lease again.
    await prove(execution);
  }
  const start = performance.now();
  const sent = await session.send(alone.name, alone.text, { cancelable: "always" });
  let lost = false;
  const stopHeartbeat = startHeartbeat(second, context, () => {
    lost = true;
    void sent.cancel();
  });
  try {
    await sent.reply;
    return performance.now() - start;
  } catch (error) {
    if (lost) throw new LeaseLost("the lease belongs to another run", { cause: error });
    throw error;
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
  how: Pick<Alone, "settings" | "lockTimeoutMs">,
): Promise<void> {
  await prove(execution);
  await runAlone(execution, {
    name: "clear",
    text: marked(execution.context.lease, statement, sql),
    ...how,
    fencedAt: performance.now(),
  });
}

/** Proves the lease; on a connection of our own the server ends the session when nothing follows soon. */
async function prove({ session, context, counter }: Execution): Promise<void> {
  const text = [
    "begin isolation level read committed read write",
    ownSettings(session.serverVersion),
    fence(context.schema, context.lease, { step: counter.committed, activity: null }),
    ...(context.lease.direct ? [`set idle_session_timeout to ${MOST_IDLE_MS}`] : []),
    "commit",
  ].join(";\n");
  await fenced(session, "prove", text);
  counter.committed += 1;
}

/**
 * Sends a fenced message by itself.
 *
 * @throws LeaseLost where it is another's, ServerError, SessionLost
 */
export async function fenced(session: Session, name: string, text: string) {
  const { reply } = await session.send(name, text);
  return reply.catch(async (error: unknown) => {
    if (!isContended(error)) throw error;
    await rollBack(session);
    throw new LeaseLost(error.message, { cause: error });
  });
}

async function leave(session: Session): Promise<void> {
  const { reply } = await session.send("leave", leaveNothingBehind(true).join(";\n"));
  await reply;
}
