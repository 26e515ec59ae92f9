import type { Sql } from "postgres";
import { expect } from "vitest";
import { transaction } from "../../src/db/connection/begin.ts";
import { openSession } from "../../src/db/connection/session.ts";
import { createLedger } from "../../src/db/migrate/ledger/create.ts";
import { readEvents, readRows } from "../../src/db/migrate/ledger/read.ts";
import { eventRowsOf, rowsOf } from "../../src/db/migrate/ledger/replies.ts";
import type { LedgerEvent, LedgerRow } from "../../src/db/migrate/ledger-types.ts";
import { foldEvents } from "./fold.ts";

export interface LedgerContent {
  readonly events: readonly LedgerEvent[];
  readonly rows: readonly LedgerRow[];
}

/** Reads both sides of a ledger. */
export async function readLedgerContent(url: string, schema = "tidemark"): Promise<LedgerContent> {
  const { session, first } = await openSession(
    { url, connectTimeoutMs: 5_000, onNotice: () => undefined, onFailpoint: undefined },
    readRows(schema),
  );
  try {
    const { reply } = await session.send("events", readEvents(schema));
    return { events: eventRowsOf(await reply), rows: rowsOf(first) };
  } finally {
    await session.close();
  }
}

/** Asserts that the state table is exactly the fold of the events. */
export async function expectFoldToMatch(url: string, schema = "tidemark"): Promise<LedgerContent> {
  const content = await readLedgerContent(url, schema);
  const byTag = (a: LedgerRow, b: LedgerRow) => a.tag.localeCompare(b.tag);
  expect([...foldEvents(content.events).values()].map(inUtc).toSorted(byTag)).toEqual(
    // How far a backfill is stands in its own table.
    content.rows.map(({ backfill: _, ...row }) => inUtc(row)).toSorted(byTag),
  );
  return content;
}

/** The log has the time zone of the session that wrote it, the state that of the one that reads it. */
function inUtc<R extends { readonly owner: LedgerRow["owner"] }>(row: R): R {
  const since = row.owner?.backendStart;
  if (!since) return row;
  const backendStart = new Date(since).toISOString();
  return { ...row, owner: { ...row.owner, backendStart } };
}

/** The log as short lines: `0000_a started 1`. */
export function storyOf(events: readonly LedgerEvent[]): readonly string[] {
  return events.map(
    ({ tag, type, attempt }) => `${tag} ${type.replace("migration.", "")} ${attempt}`,
  );
}

/** A ledger as it is before its first migration. */
export async function createEmptyLedger({ sql }: { readonly sql: Sql }): Promise<void> {
  const session = await sql.reserve();
  await session.unsafe(transaction(150_000, createLedger("tidemark")));
  session.release();
}
