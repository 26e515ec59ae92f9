import { QUERY_CANCELED } from "../base/sqlstate.ts";
import { transaction } from "./begin.ts";
import { isServerError, type Reply, type ServerError, type Session } from "./session.ts";

/**
 * Sends one message, and waits for its reply.
 *
 * @throws ServerError, SessionLost
 */
export async function ask<Name extends string>(
  session: Session<Name>,
  name: NoInfer<Name>,
  text: string,
): Promise<Reply> {
  const { reply } = await session.send(name, text);
  return reply;
}

/** The same where the server's error is an answer too: the ledger need not be there. */
export async function askOrError<Name extends string>(
  session: Session<Name>,
  name: NoInfer<Name>,
  text: string,
): Promise<Reply | ServerError> {
  return ask(session, name, text).catch((error: unknown) => {
    if (isServerError(error)) return error;
    throw error;
  });
}

/**
 * Sends a transaction of ours as one message. Where the server refuses it, it is rolled back.
 *
 * @throws ServerError, SessionLost
 */
export async function transact<Name extends string>(
  session: Session<Name> & Session<"rollback">,
  name: NoInfer<Name>,
  statements: readonly string[],
  end?: "rollback",
): Promise<Reply> {
  const text = transaction(session.serverVersion, statements, end);
  return rolledBackAfterError(session, ask<Name>(session, name, text));
}

/** A reply; where it is an error of the server's, what it left open is ended before that is thrown. */
export async function rolledBackAfterError(
  session: Session<"rollback">,
  reply: Promise<Reply>,
): Promise<Reply> {
  return reply.catch(async (error: unknown) => {
    if (isServerError(error)) await rollBack(session);
    throw error;
  });
}

/** The value of a column that one row of a reply has; undefined where none has it. */
export function columnOf({ rows }: Reply, column: string): unknown {
  return rows.find((row) => column in row)?.[column];
}

/** Ends a transaction that an error left open. */
export async function rollBack(session: Session<"rollback">): Promise<void> {
  await despiteLateCancel(() => ask(session, "rollback", "rollback"));
}

/** A cancel that was asked for may hit the message after the one that it was meant for. */
export async function despiteLateCancel<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isServerError(error) || error.code !== QUERY_CANCELED) throw error;
    return work();
  }
}
