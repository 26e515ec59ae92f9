import { assertNever } from "../../src/db/migrate/errors.ts";
import type { LedgerEvent, LedgerRow } from "../../src/db/migrate/ledger-types.ts";
import type { Tag } from "../../src/db/migrate/types.ts";

/**
 * Folds the event log into the state of each tag: exactly what stands in
 * `schema_migrations`, which is written in the same transactions.
 *
 * @param events in the order of their ids
 */
export function foldEvents(events: Iterable<LedgerEvent>): ReadonlyMap<Tag, LedgerRow> {
  const rows = new Map<Tag, LedgerRow>();
  for (const event of events) applyEvent(rows, event);
  return rows;
}

function applyEvent(rows: Map<Tag, LedgerRow>, event: LedgerEvent): void {
  const before = rows.get(event.tag);
  const { type, payload } = event;
  switch (type) {
    case "migration.started":
      if (payload.direction === "down") {
        change(rows, before, startDown(event, before));
        return;
      }
      rows.set(event.tag, {
        tag: event.tag,
        state: "STARTED",
        rank: null,
        attempt: event.attempt,
        checksum: event.checksum,
        statementsDone: payload.statement ?? 0,
        statementsTotal: payload.statements ?? 0,
        prefix: payload.prefix ?? null,
        underWay: before?.underWay ?? null,
        startedAt: event.at,
        finishedAt: null,
        durationMs: null,
        runId: event.runId,
        owner: event.owner,
        error: null,
        eventId: event.id,
        reverting: null,
      });
      return;
    case "statement.started":
      change(rows, before, { underWay: payload.underWay ?? null, eventId: event.id });
      return;
    case "statement.done":
      change(rows, before, {
        statementsDone: payload.statement ?? 0,
        prefix: payload.prefix ?? null,
        underWay: null,
        eventId: event.id,
      });
      return;
    case "migration.done": {
      const rank = payload.rank ?? 0;
      makeRoom(rows, rank);
      change(rows, before, {
        state: "DONE",
        rank,
        statementsDone: payload.statement ?? 0,
        prefix: payload.prefix ?? null,
        underWay: null,
        finishedAt: event.at,
        durationMs: payload.durationMs ?? 0,
        owner: event.owner,
        eventId: event.id,
      });
      return;
    }
    case "migration.failed":
      change(rows, before, {
        state: "FAILED",
        finishedAt: event.at,
        durationMs: payload.durationMs ?? 0,
        owner: event.owner,
        error: payload.error ?? null,
        ...(payload.ended && { underWay: null }),
        eventId: event.id,
      });
      return;
    case "repeatable.done":
    case "repeatable.failed":
    case "repeatable.removed":
    case "backfill.started":
    case "backfill.done":
    case "backfill.failed":
    case "backfill.paused":
    case "backfill.resumed":
    case "backfill.canceled":
      // They have a table of their own.
      return;
    case "migration.resolved":
      if (payload.restored) {
        change(rows, before, restore(event, before));
        return;
      }
      change(rows, before, {
        state: "PENDING",
        finishedAt: null,
        durationMs: null,
        owner: event.owner,
        error: null,
        ...(payload.statement !== undefined && { statementsDone: payload.statement }),
        ...(payload.prefix !== undefined && { prefix: payload.prefix }),
        ...(payload.answer !== undefined && { underWay: null }),
        eventId: event.id,
      });
      return;
    case "migration.adopted":
      adopt(rows, before, event);
      return;
    case "migration.reverted":
      change(rows, before, {
        ...{ state: "PENDING", rank: null, statementsDone: 0, prefix: null, underWay: null },
        ...{ finishedAt: null, durationMs: payload.durationMs ?? 0, owner: event.owner },
        ...{ error: null, reverting: null, eventId: event.id },
      });
      for (const row of rows.values()) {
        if (row.rank !== null && row.rank > (before?.rank ?? Infinity)) {
          rows.set(row.tag, { ...row, rank: row.rank - 1 });
        }
      }
      return;
    default:
      assertNever(type);
  }
}

function startDown(event: LedgerEvent, before: LedgerRow | undefined): Partial<LedgerRow> {
  const { payload } = event;
  const was = before && {
    ...{ statementsDone: before.statementsDone, statementsTotal: before.statementsTotal },
    ...{ prefix: before.prefix, startedAt: before.startedAt },
    ...{ finishedAt: before.finishedAt, durationMs: before.durationMs },
  };
  return {
    ...{ state: "STARTED", attempt: event.attempt, statementsDone: payload.statement ?? 0 },
    ...{ statementsTotal: payload.statements ?? 0, prefix: payload.prefix ?? null },
    ...{ startedAt: event.at, finishedAt: null, durationMs: null, runId: event.runId },
    ...{ owner: event.owner, error: null, eventId: event.id },
    reverting: before?.reverting ?? was ?? null,
  };
}

function restore(event: LedgerEvent, before: LedgerRow | undefined): Partial<LedgerRow> {
  const was = before?.reverting;
  if (!was) return {};
  return {
    ...{ state: "DONE", statementsDone: was.statementsDone, statementsTotal: was.statementsTotal },
    ...{ prefix: was.prefix, startedAt: was.startedAt, durationMs: was.durationMs },
    finishedAt: was.finishedAt,
    ...{ owner: event.owner, error: null, reverting: null, eventId: event.id },
  };
}

function adopt(rows: Map<Tag, LedgerRow>, before: LedgerRow | undefined, event: LedgerEvent): void {
  const { tag, payload } = event;
  if (payload.formerly !== undefined) {
    const former = rows.get(payload.formerly);
    if (former === undefined) return;
    rows.delete(payload.formerly);
    rows.set(tag, { ...former, tag, rank: payload.rank ?? former.rank, eventId: event.id });
    return;
  }
  const rank = payload.rank ?? null;
  if (rank !== null) makeRoom(rows, rank);
  const at = payload.appliedAt ? new Date(payload.appliedAt) : event.at;
  rows.set(tag, {
    tag,
    state: rank === null ? "PENDING" : "DONE",
    rank,
    attempt: before?.attempt ?? 0,
    checksum: event.checksum,
    statementsDone: before?.statementsDone ?? 0,
    statementsTotal: before?.statementsTotal ?? 0,
    prefix: before?.prefix ?? null,
    underWay: null,
    startedAt: at,
    finishedAt: rank === null ? null : at,
    durationMs: null,
    runId: event.runId,
    owner: event.owner,
    error: null,
    eventId: event.id,
    reverting: before?.reverting ?? null,
  });
}

/** A late-merged migration takes its place: the ones from there on move up by one. */
function makeRoom(rows: Map<Tag, LedgerRow>, rank: number): void {
  const taken = [...rows.values()].some((row) => row.rank === rank);
  if (!taken) return;
  for (const row of rows.values()) {
    if (row.rank !== null && row.rank >= rank) rows.set(row.tag, { ...row, rank: row.rank + 1 });
  }
}

function change(
  rows: Map<Tag, LedgerRow>,
  before: LedgerRow | undefined,
  changes: Partial<LedgerRow>,
): void {
  if (before === undefined) return;
  rows.set(before.tag, { ...before, ...changes });
}
