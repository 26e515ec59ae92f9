import { connectFailed, isRefusal } from "./connect-error.ts";
import { DatabaseError } from "./database-error.ts";
import { createSession, type Session } from "./session.ts";
import { resolveTargets, type Target } from "./target.ts";

/**
 * One connection outside a pool, to the first host of the URL that answers.
 *
 * @throws DatabaseError `config`, `connect`
 */
export async function openSession(url: string, applicationName: string): Promise<Session> {
  const create = (target: Target) => createSession(target, () => undefined);
  return openFirst(resolveTargets({ url, applicationName }), create, () => false);
}

/**
 * Connects to the first server that answers. One that refuses, or `isOver`, ends the search.
 *
 * @throws DatabaseError `connect`
 */
export async function openFirst(
  targets: readonly Target[],
  create: (target: Target) => Session,
  isOver: () => boolean,
): Promise<Session> {
  let failure: DatabaseError | undefined;
  for (const target of targets) {
    const session = create(target);
    try {
      await session.connect();
      return session;
    } catch (error) {
      failure = error instanceof DatabaseError ? error : connectFailed(target, error);
      if (isOver() || isRefusal(failure)) break;
    }
  }
  throw (
    failure ??
    new DatabaseError({
      code: "config",
      fact: "The database URL names no server.",
      remedy: "Add the host.",
    })
  );
}
