import { pause } from "../../base/backoff.ts";
import { isServerError, type Session } from "../../connection/session.ts";
import type { RecordContext } from "../ledger/record.ts";
import { rollBack } from "../ledger/replies.ts";
import { LeaseLost } from "./lost.ts";
import { LEASE_RENEW_MS, RENEWED, renewLease } from "./sql.ts";

/**
 * A pause in which the lease is kept: no transaction of the run is open meanwhile, so
 * that nothing but its expiry says that the run is alive.
 *
 * @throws LeaseLost, SessionLost; the signal's reason
 */
export async function pauseUnderLease(
  session: Session,
  { schema, lease }: RecordContext,
  pauseMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const end = Date.now() + pauseMs;
  for (;;) {
    await renew(session, schema, lease);
    const leftMs = end - Date.now();
    if (leftMs <= 0) return;
    await pause(Math.min(leftMs, LEASE_RENEW_MS), signal);
  }
}

async function renew(
  session: Session,
  schema: string,
  lease: RecordContext["lease"],
): Promise<void> {
  try {
    const { reply } = await session.send("renew", renewLease(schema, lease, session.serverVersion));
    const { rows } = await reply;
    if (!rows.some((row) => RENEWED in row))
      throw new LeaseLost("the lease belongs to another run");
  } catch (error) {
    if (isServerError(error)) await rollBack(session);
    throw error;
  }
}
