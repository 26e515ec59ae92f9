import { isServerError, type OnFailpoint, openSession, type Session } from "./session.ts";

/**
 * A connection beside the run's own, for what must be sent while that is busy. It is made
 * when it is needed first, and again after a loss.
 */
export interface SecondConnection<Name extends string = string> {
  /** @throws whatever connecting, or the work, does: where none can be had, the run goes on without */
  readonly use: <T>(work: (session: Session<Name>) => Promise<T>) => Promise<T>;
  /** Lets go of it, without waiting. */
  readonly close: () => void;
}

const CONNECT_MS = 2_000;

export function secondConnection(
  url: string,
  onFailpoint: OnFailpoint | undefined,
): SecondConnection {
  const gone = new AbortController();
  let current: Promise<Session> | undefined;
  return {
    use: async (work) => {
      current ??= open(url, onFailpoint, gone.signal);
      const mine = current;
      try {
        return await work(await mine);
      } catch (error) {
        if (!isServerError(error) && current === mine) current = undefined;
        throw error;
      }
    },
    close: () => {
      gone.abort();
      // Nobody waits for it: behind a pooler its connection may come only when the run's is gone.
      current?.then(
        (session) => session.close(),
        () => undefined,
      );
    },
  };
}

async function open(
  url: string,
  onFailpoint: OnFailpoint | undefined,
  signal: AbortSignal,
): Promise<Session> {
  const { session } = await openSession(
    {
      url,
      connectTimeoutMs: CONNECT_MS,
      onNotice: () => undefined,
      onFailpoint,
      firstName: "second",
      signal,
      graceMs: 0,
    },
    "select 1",
  );
  return session;
}
