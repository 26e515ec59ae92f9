import { randomUUID } from "node:crypto";
import { literal } from "../../base/quote.ts";
import { columnOf, transact } from "../../connection/ask.ts";
import type { RunIdentity, Session } from "../run-types.ts";
import type { Tag } from "../types.ts";
import {
  BACKFILL,
  type BackfillRow,
  claim,
  lockLog,
  logEvent,
  logged,
  readBackfills,
} from "./store.ts";

export interface Claimed {
  readonly row: BackfillRow;
  /** Names this claim: what an earlier one of the same process still sends is refused. */
  readonly runId: string;
}

export interface ClaimOptions {
  /** Of the ledger. */
  readonly schema: string;
  readonly tag: Tag;
  readonly identity: RunIdentity;
  /** It is taken from whoever has it: the caller knows that it is the only one. */
  readonly takesOver: boolean;
  /** What the transaction begins with: a fence, a registration. */
  readonly before: readonly string[];
}

/**
 * Makes a backfill this process's, from its checkpoint on.
 *
 * @returns `paused` until a person resumes it; `busy` where another has it, or runs one over the same table
 * @throws ServerError, SessionLost
 */
export async function claimBackfill(
  session: Session,
  { schema, tag, before, identity, takesOver }: ClaimOptions,
): Promise<Claimed | "done" | "paused" | "busy"> {
  const runId = randomUUID();
  const reply = await transact(session, "backfill", [
    ...before,
    lockLog(schema),
    ...claim(schema, tag, {
      ...{ runId, takesOver, handshakePid: session.handshakePid() },
      worker: `${identity.host}:${identity.processId}`,
    }),
    logEvent(schema, tag, logged("backfill.started", identity), `b.run_id = ${literal(runId)}`),
    readBackfills(schema, tag),
  ]);
  const [first, second] = reply.rows.flatMap((row) =>
    BACKFILL in row ? [row[BACKFILL] as BackfillRow] : [],
  );
  // The claim's own row comes first, where it got one.
  if (first !== undefined && second !== undefined) return { row: first, runId };
  if (first?.state === "DONE") return "done";
  return first?.state === "PAUSED" ? "paused" : "busy";
}

/** Reads what a person wants of it, and how it is. */
export async function readBackfill(
  session: Session,
  schema: string,
  tag: Tag,
): Promise<BackfillRow | undefined> {
  const reply = await transact(session, "backfill", [readBackfills(schema, tag)], "rollback");
  return columnOf(reply, BACKFILL) as BackfillRow | undefined;
}
