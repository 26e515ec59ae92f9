import { isRefusal } from "./connect-error.ts";
import { DatabaseError } from "./database-error.ts";
import { createSession, type Session } from "./session.ts";
import { resolveTargets } from "./target.ts";

/**
 * One connection outside a pool, to the first host of the URL that answers.
 *
 * @throws DatabaseError `config`, `connect`
 */
export async function openSession(url: string, applicationName: string): Promise<Session> {
  let failure = new DatabaseError("config", "The database URL names no server.");
  for (const target of resolveTargets({ url, applicationName })) {
    const session = createSession(target, () => undefined);
    try {
      await session.connect();
      return session;
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      failure = error;
      if (isRefusal(error)) break;
    }
  }
  throw failure;
}
