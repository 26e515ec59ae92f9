import { describe, expect, test } from "vitest";
import { checksumOf } from "../../src/db/migrate/history/checksum.ts";
import type { EventPayload, EventType, LedgerEvent } from "../../src/db/migrate/ledger-types.ts";
import { foldEvents } from "../helpers/fold.ts";

let id = 0;

function event(type: EventType, tag: string, payload: EventPayload = {}, attempt = 1): LedgerEvent {
  id += 1;
  return {
    id,
    at: new Date(id * 1_000),
    type,
    runId: "11111111-1111-4111-8111-111111111111",
    tag,
    attempt,
    checksum: checksumOf(tag),
    payload,
    owner: {
      user: "ada",
      host: "h",
      processId: 1,
      backendPid: 2,
      backendStart: null,
      toolVersion: "0",
      appVersion: null,
    },
  };
}

const start = (tag: string, attempt = 1) =>
  event("migration.started", tag, { statement: 0, statements: 2, prefix: null }, attempt);
const done = (tag: string, rank: number) =>
  event("migration.done", tag, {
    statement: 2,
    statements: 2,
    prefix: checksumOf("p"),
    durationMs: 7,
    rank,
  });

const shortOf = (events: readonly LedgerEvent[]) =>
  [...foldEvents(events).values()].map(({ tag, state, rank, attempt, statementsDone }) => ({
    tag,
    state,
    rank,
    attempt,
    statementsDone,
  }));

describe("the fold of the events", () => {
  test("of nothing is nothing", () => {
    expect(shortOf([])).toEqual([]);
  });

  test("of a start is STARTED", () => {
    expect(shortOf([start("a")])).toEqual([
      { tag: "a", state: "STARTED", rank: null, attempt: 1, statementsDone: 0 },
    ]);
  });

  test("of a start and an end is DONE, with time, duration and the newest event", () => {
    const events = [start("a"), done("a", 0)];
    expect(foldEvents(events).get("a")).toMatchObject({
      state: "DONE",
      rank: 0,
      durationMs: 7,
      startedAt: events[0]?.at,
      finishedAt: events[1]?.at,
      eventId: events[1]?.id,
    });
  });

  test("of a failure keeps the error until the next start", () => {
    const error = { message: "no" } as NonNullable<EventPayload["error"]>;
    const failed = [start("a"), event("migration.failed", "a", { durationMs: 3, error })];
    expect(foldEvents(failed).get("a")).toMatchObject({ state: "FAILED", error, durationMs: 3 });
    expect(foldEvents([...failed, start("a", 2)]).get("a")).toMatchObject({
      state: "STARTED",
      error: null,
      finishedAt: null,
      durationMs: null,
      attempt: 2,
    });
  });

  test("counts the statements that are committed before the end", () => {
    const prefix = checksumOf("first");
    const progress = event("statement.done", "a", { statement: 1, statements: 2, prefix });
    expect(foldEvents([start("a"), progress]).get("a")).toMatchObject({
      state: "STARTED",
      statementsDone: 1,
      prefix,
    });
  });

  test("moves the others up when a late one takes its place", () => {
    const events = [
      start("a"),
      done("a", 0),
      start("b"),
      done("b", 1),
      start("late"),
      done("late", 1),
    ];
    expect(shortOf(events).map(({ tag, rank }) => [tag, rank])).toEqual([
      ["a", 0],
      ["b", 2],
      ["late", 1],
    ]);
  });

  test("refuses an event that it does not know how to fold", () => {
    const unknown = { ...event("migration.done", "a"), type: "migration.lost" as "migration.done" };
    expect(() => foldEvents([unknown])).toThrow(/lost/);
  });
});
