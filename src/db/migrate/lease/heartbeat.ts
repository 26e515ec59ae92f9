import type { SecondConnection } from "../../connection/second.ts";
import type { RecordContext } from "../ledger/record.ts";
import { LEASE_RENEW_MS, RENEWED, renewLease } from "./sql.ts";

/**
 * Renews the lease by a second connection, while the run's own is busy with a statement that
 * holds no lock on the runner row. Where there is no second connection, that statement itself says
 * that the run lives.
 *
 * @param onLost called once, when the lease is found to be another's
 * @returns stops it
 */
export function startHeartbeat(
  second: SecondConnection,
  { schema, lease }: RecordContext,
  onLost: () => void,
): () => void {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const beat = async () => {
    try {
      const { rows } = await second.use(async (session) => {
        const text = renewLease(schema, lease, session.serverVersion);
        return (await session.send("heartbeat", text)).reply;
      });
      if (!stopped && !rows.some((row) => RENEWED in row)) {
        stopped = true;
        onLost();
      }
    } catch {
      // No slot, or a pooler that has none left: tried again.
    }
    if (!stopped) later();
  };
  const later = () => {
    timer = setTimeout(() => void beat(), LEASE_RENEW_MS);
  };
  later();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
