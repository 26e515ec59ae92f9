import { pause } from "../../base/backoff.ts";
import { askOrError } from "../../connection/ask.ts";
import { SessionLost } from "../../connection/loss.ts";
import { look } from "../lease/sql.ts";
import { type EventsWanted, readEvents } from "../ledger/read.ts";
import { eventsOf } from "../ledger/replies.ts";
import type { LedgerEvent } from "../ledger-types.ts";
import type { Run } from "../run-types.ts";
import { openLedger } from "./call.ts";

/** Reads the log. Where there is no ledger, there are no events. */
export async function readEventsOnce(
  run: Run,
  wanted: EventsWanted,
): Promise<readonly LedgerEvent[]> {
  const { session, first } = await openLedger(run, eventsQuery(run.schema, wanted));
  await session.close();
  return eventsOf(first, run.schema);
}

/** With the runner row, which says whether this version may read the log. */
function eventsQuery(schema: string, wanted: EventsWanted): string {
  return `${look(schema)};\n${readEvents(schema, wanted)}`;
}

/**
 * Reads the log, and then what is added to it, for as long as it is asked. The ids are in
 * the order of the commits, because each is drawn under the lease's row lock: nothing is
 * missed after the last one seen. A lost connection is made again.
 */
export async function* followLog(
  run: Run,
  wanted: EventsWanted,
  everyMs: number,
): AsyncGenerator<LedgerEvent, void, void> {
  const { schema, signal } = run;
  let { after = 0, newest } = wanted;
  for (;;) {
    const query = () => eventsQuery(schema, { ...wanted, after, newest });
    const { session, first } = await openLedger(run, query());
    try {
      let reply = first;
      for (;;) {
        for (const event of eventsOf(reply, schema)) {
          after = event.id;
          yield event;
        }
        // Where it starts; of what is added, all is shown.
        newest = undefined;
        await pause(everyMs, signal);
        reply = await askOrError(session, "events", query());
      }
    } catch (error) {
      if (!(error instanceof SessionLost)) throw error;
      run.onProgress({ kind: "reconnecting", reason: error.message, attempt: 1 });
    } finally {
      await session.close();
    }
  }
}
