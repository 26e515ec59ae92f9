import { randomUUID } from "node:crypto";
import { onTestFinished } from "vitest";
import { pause } from "../../src/db/base/backoff.ts";
import { columnOf, transact } from "../../src/db/connection/ask.ts";
import { openSession } from "../../src/db/connection/session.ts";
import { runBackfill } from "../../src/db/migrate/backfill/run.ts";
import {
  BACKFILL,
  type BackfillRow,
  claim,
  register,
} from "../../src/db/migrate/backfill/store.ts";
import { readTarget } from "../../src/db/migrate/backfill/target.ts";
import {
  type BackfillDefinition,
  DEFAULTS,
} from "../../src/db/migrate/code/backfill-definition.ts";
import { createLedger } from "../../src/db/migrate/ledger/create.ts";
import type { BackfillProgress } from "../../src/db/migrate/progress-types.ts";
import type { Session } from "../../src/db/migrate/run-types.ts";

export interface RunOptions {
  readonly tag?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: BackfillProgress) => void;
  /** Called when it waits. */
  readonly onPause?: (ms: number) => void | Promise<void>;
  readonly lockTimeoutMs?: number;
}

/** A session of the engine on a database, with a ledger. */
export async function openLedgerSession(url: string): Promise<Session> {
  const { session } = await openSession(
    { url, onNotice: () => undefined, onFailpoint: undefined, connectTimeoutMs: 10_000 },
    "select 1",
  );
  onTestFinished(() => session.close());
  await transact(session as Session, "bootstrap", createLedger("tidemark"));
  return session as Session;
}

/** Claims the backfill, or undefined where it is another's, and runs it. */
export async function runHere(
  session: Session,
  definition: BackfillDefinition,
  options: RunOptions = {},
) {
  const { tag = "0001_fill", onProgress = () => undefined } = options;
  const target = await readTarget(session, definition);
  const size = definition.batch?.size ?? DEFAULTS.size;
  const runId = randomUUID();
  const reply = await transact(session, "backfill", [
    register("tidemark", tag, target, { background: false, size }),
    ...claim("tidemark", tag, { runId, worker: "test", direct: true }),
  ]);
  const row = columnOf(reply, BACKFILL) as BackfillRow | undefined;
  if (row === undefined) return undefined;
  const signal = options.signal ?? new AbortController().signal;
  return runBackfill(
    {
      session,
      tag,
      target,
      definition,
      longestMs: definition.batch?.longestMs ?? DEFAULTS.longestMs,
      lockTimeoutMs: options.lockTimeoutMs ?? 200,
      fence: [],
      signal,
      log: () => undefined,
      schema: "tidemark",
      runId,
      onProgress,
      pause: async (ms) => {
        await options.onPause?.(ms);
        await pause(Math.min(ms, 50), signal);
      },
    },
    row,
  );
}
