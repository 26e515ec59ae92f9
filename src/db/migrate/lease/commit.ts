import { ownSettings } from "../../connection/begin.ts";
import { isServerError, type Session } from "../../connection/session.ts";
import { COPY } from "../ledger/event-copy.ts";
import { rollBack } from "../ledger/replies.ts";
import type { EventSink, History } from "../types.ts";

/** The app's copy of the events. A folder that cannot be read has none: its mistakes are for others to report. */
export async function sinkOf({
  eventSink,
  history,
}: {
  readonly eventSink: EventSink | undefined;
  readonly history: Promise<History>;
}): Promise<EventSink | undefined> {
  if (eventSink !== undefined) return eventSink;
  return history.then(
    (found) => found.eventSink,
    () => undefined,
  );
}

/**
 * Commits what a command writes to the ledger under the lease.
 *
 * @returns why the app's copy of the events stays behind; null where it does not
 * @throws ServerError, SessionLost
 */
export async function commitUnderLease(
  session: Session,
  name: string,
  statements: readonly string[],
): Promise<string | null> {
  const text = [
    "begin isolation level read committed read write",
    ownSettings(session.serverVersion),
    ...statements,
    "commit",
  ].join(";\n");
  const { reply } = await session.send(name, text);
  const { rows } = await reply.catch(async (error: unknown) => {
    if (isServerError(error)) await rollBack(session);
    throw error;
  });
  return (rows.find((row) => COPY in row)?.[COPY] as string | null | undefined) ?? null;
}
