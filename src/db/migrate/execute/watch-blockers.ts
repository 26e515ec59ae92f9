import { messageOf } from "../../base/problem.ts";
import type { SecondConnection } from "../../connection/second.ts";
import type { LeaseToken } from "../ledger/record.ts";
import type { Blocker } from "../reports.ts";
import { maskSecrets } from "../sql/secrets.ts";
import type { Tag } from "../types.ts";
import { findBlockers } from "./blockers.ts";

export interface BlockerWatchOptions {
  readonly second: SecondConnection;
  readonly schema: string;
  readonly lease: LeaseToken;
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
  readonly stop: () => void;
}

const LOOK_EVERY_MS = 1_000;

/**
 * Looks, by a connection of its own, who holds the lock that a migration waits for: the
 * waiting session cannot ask, and afterwards it is too late. It connects for a migration
 * that takes long, and where no connection can be had the run goes on without it.
 */
export function watchBlockers(options: BlockerWatchOptions): BlockerWatch {
  let timer: NodeJS.Timeout | undefined;
  let seen: readonly Blocker[] = [];
  let blind: string | undefined;
  let current: Tag | undefined;
  let stopped = false;

  const look = async (tag: Tag) => {
    blind ??= "no answer yet";
    try {
      const reply = await options.second.use(async (session) => {
        const sql = findBlockers(options.schema, options.lease, options.backendPid);
        return (await session.send("blockers", sql)).reply;
      });
      const rows = reply.rows.filter((row) => "tidemark_blocker" in row);
      blind = undefined;
      if (current !== tag || stopped || rows.length === 0) return;
      seen = rows
        .map((row) => row.tidemark_blocker as Blocker)
        .map((blocker) => ({
          ...blocker,
          query: blocker.query && maskSecrets(blocker.query).text,
        }));
      options.onBlocked(tag, seen);
    } catch (error) {
      blind = messageOf(error);
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
    },
  };
}
