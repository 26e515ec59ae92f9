import { pause } from "../../base/backoff.ts";
import type { ConnectOptions } from "../../connection/connect.ts";
import { SessionLost } from "../../connection/loss.ts";
import { isServerError } from "../../connection/session.ts";
import { look } from "../lease/sql.ts";
import { type EventsWanted, readEvents } from "../ledger/read.ts";
import { eventsOf } from "../ledger/replies.ts";
import type { Progress } from "../reports.ts";
import type { LedgerEvent } from "../types.ts";
import { openLedger } from "./open-ledger.ts";

export interface EventsRequest extends Omit<ConnectOptions, "onProgress">, EventsWanted {
  readonly onProgress: (progress: Progress) => void;
  readonly schema: string;
}

/** Reads the log. Where there is no ledger, there are no events. */
export async function readEventsOnce(request: EventsRequest): Promise<readonly LedgerEvent[]> {
  const { session, first } = await openLedger(request, eventsQuery(request.schema, request));
  await session.close();
  return eventsOf(first, request.schema);
}

/** With the runner row, which says whether this version may read the log. */
function eventsQuery(schema: string, wanted: EventsWanted): string {
  return `${look(schema)};\n${readEvents(schema, wanted)}`;
}

/**
 * Reads the log, and then what is added to it, for as long as it is asked. The ids are in
 * the order of the commits, because each is drawn under the lease's row lock: nothing is
 * missed behind the last one seen. A lost connection is made again.
 */
export async function* followLog(
  request: EventsRequest,
  everyMs: number,
): AsyncGenerator<LedgerEvent, void, void> {
  const { schema, tag, signal } = request;
  let { after = 0, newest } = request;
  for (;;) {
    const query = () => eventsQuery(schema, { tag, after, newest });
    const { session, first } = await openLedger(request, query());
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
        const sent = await session.send("events", query());
        reply = await sent.reply.catch((error: unknown) => {
          // The ledger may not be there yet.
          if (isServerError(error)) return error;
          throw error;
        });
      }
    } catch (error) {
      if (!(error instanceof SessionLost)) throw error;
      request.onProgress({ kind: "reconnecting", reason: error.message, attempt: 1 });
    } finally {
      await session.close();
    }
  }
}
