import postgres from "postgres";
import { serverWords } from "../connection/server-words.ts";
import { DatabaseError } from "../pool/database-error.ts";
import { openSession } from "../pool/open-session.ts";
import type { Session } from "../pool/session.ts";
import { CatalogError } from "./catalog-error.ts";

export type Row = Readonly<Record<string, unknown>>;

/** The part of a `pg` pool that pg-delta uses to read a catalog: one client, its queries, their rows. */
export interface ReaderPool {
  readonly connect: () => Promise<{
    readonly query: (text: string) => Promise<{ readonly rows: readonly Row[] }>;
    readonly release: () => void;
  }>;
}

/**
 * Connects, reads, disconnects. The reader gets our own driver in the shape of a `pg` pool: one
 * connection, which is never reopened during a transaction. `pg` need not be installed.
 *
 * @throws CatalogError `config`, `connect`, `unreadable`
 */
export async function withReaderPool<T>(
  url: string,
  read: (pool: ReaderPool) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const session = await connect(url);
  const stopped = new DatabaseError({
    code: "closed",
    fact: "The reading was stopped.",
    remedy: "Try again.",
  });
  const stop = () => session.kill(stopped);
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  const client = {
    query: async (text: string) => ({ rows: [...(await session.run({ text }))] as Row[] }),
    release: () => undefined,
  };
  try {
    return await read({ connect: async () => client });
  } catch (error) {
    throw readError(error);
  } finally {
    signal?.removeEventListener("abort", stop);
    await session.end();
  }
}

async function connect(url: string): Promise<Session> {
  try {
    return await openSession(url, "tidemark-catalog");
  } catch (cause) {
    if (!(cause instanceof DatabaseError)) throw cause;
    throw new CatalogError({
      code: cause.code === "config" ? "config" : "connect",
      fact: cause.fact,
      outcome: "nothing-read",
      remedy: cause.remedy,
      cause,
    });
  }
}

function readError(cause: unknown): unknown {
  if (cause instanceof DatabaseError) {
    return new CatalogError({
      code: "unreadable",
      fact: `The catalog could not be read completely: ${cause.fact}`,
      outcome: "nothing-compared",
      remedy: cause.remedy,
      cause,
    });
  }
  if (!(cause instanceof postgres.PostgresError)) return cause;
  return new CatalogError({
    code: "unreadable",
    fact: `The server refused to show its catalog: ${serverWords(cause)}`,
    outcome: "nothing-compared",
    remedy: "PostgreSQL 14 to 18 can be read, by any role that may connect.",
    cause,
  });
}
