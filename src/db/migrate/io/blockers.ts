import { messageOf } from "../errors.ts";
import { findBlockers } from "../pure/blockers.ts";
import type { Blocker } from "../reports.ts";
import type { Tag } from "../types.ts";
import { isServerError, openSession, type Session } from "./session.ts";

export interface BlockerWatchOptions {
  readonly url: string;
  readonly schema: string;
  /** The run's backend; undefined behind a pooler. */
  readonly backendPid: number | undefined;
  /** How long a migration runs before somebody looks what it waits for. */
  readonly afterMs: number;
  readonly onBlocked: (tag: Tag, blockers: readonly Blocker[]) => void;
}

export interface BlockerWatch {
  /** The server begins with a migration. */
  readonly begin: (tag: Tag) => void;
  /** Who was seen to hold up the migration that was begun last. */
  readonly seen: () => readonly Blocker[];
  /** Why nobody could look; undefined where somebody did. */
  readonly blind: () => string | undefined;
  /** Lets go of the connection, without waiting for it. */
  readonly stop: () => void;
}

const LOOK_EVERY_MS = 1_000;
const CONNECT_MS = 2_000;

/**
 * Looks, by a connection of its own, who holds the lock that a migration waits for: the
 * waiting session cannot ask, and afterwards it is too late. It connects for a migration
 * that takes long, and where no connection can be had the run goes on without it.
 */
export function watchBlockers(options: BlockerWatchOptions): BlockerWatch {
  let session: Promise<Session> | undefined;
  let timer: NodeJS.Timeout | undefined;
  const gone = new AbortController();
  let seen: readonly Blocker[] = [];
  let blind: string | undefined;
  let current: Tag | undefined;
  let stopped = false;

  const look = async (tag: Tag) => {
    blind ??= "no answer yet";
    try {
      session ??= connect(options.url, gone.signal);
      const { reply } = await (await session).send(
        "blockers",
        findBlockers(options.schema, options.backendPid),
      );
      const rows = (await reply).rows.filter((row) => "tidemark_blocker" in row);
      blind = undefined;
      if (current !== tag || stopped || rows.length === 0) return;
      seen = rows.map((row) => row.tidemark_blocker as Blocker);
      options.onBlocked(tag, seen);
    } catch (error) {
      blind = messageOf(error);
      if (!isServerError(error)) session = undefined;
    }
  };
  const lookLater = (tag: Tag, ms: number) => {
    timer = setTimeout(() => {
      void look(tag).then(() => {
        if (current === tag && !stopped) lookLater(tag, LOOK_EVERY_MS);
      });
    }, ms);
  };
  return {
    begin: (tag) => {
      clearTimeout(timer);
      current = tag;
      seen = [];
      lookLater(tag, options.afterMs);
    },
    seen: () => seen,
    blind: () => blind,
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      gone.abort();
      // Nobody waits for it: behind a pooler its connection may come only when the run's is gone.
      session?.then(
        (open) => open.close(),
        () => undefined,
      );
    },
  };
}

async function connect(url: string, signal: AbortSignal): Promise<Session> {
  const { session } = await openSession(
    {
      url,
      connectTimeoutMs: CONNECT_MS,
      onNotice: () => undefined,
      onFailpoint: undefined,
      signal,
      graceMs: 0,
    },
    "select 1",
  );
  return session;
}
