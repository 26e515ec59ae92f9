import { describe, expect, test } from "vitest";
import { untilHours } from "../../src/db/migrate/backfill/hours.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NIGHT = { from: "22:00", to: "06:00" };
const at = (text: string) => new Date(`${text}Z`);

describe("until the hours of a backfill", () => {
  test("is nothing without hours", () => {
    expect(untilHours(undefined, at("2026-03-01T12:00:00"))).toBe(0);
  });

  test.each([
    ["2026-03-01T21:59:00", MINUTE],
    ["2026-03-01T22:00:00", 0],
    ["2026-03-02T00:00:00", 0],
    ["2026-03-02T05:59:59", 0],
    ["2026-03-02T06:00:00", 16 * HOUR],
    ["2026-03-02T21:59:30", MINUTE / 2],
  ])("over midnight, at %s", (now, ms) => {
    expect(untilHours(NIGHT, at(now))).toBe(ms);
  });

  test.each([
    ["2026-03-01T08:59:59.500", 500],
    ["2026-03-01T09:00:00", 0],
    ["2026-03-01T17:00:00", 16 * HOUR],
  ])("within a day, at %s", (now, ms) => {
    expect(untilHours({ from: "09:00", to: "17:00" }, at(now))).toBe(ms);
  });

  test("go by the clock of their time zone, in summer and in winter", () => {
    const zurich = { ...NIGHT, timeZone: "Europe/Zurich" };
    expect(untilHours(zurich, at("2026-01-15T21:00:00"))).toBe(0);
    expect(untilHours(zurich, at("2026-01-15T20:59:00"))).toBe(MINUTE);
    expect(untilHours(zurich, at("2026-07-15T20:00:00"))).toBe(0);
    expect(untilHours(zurich, at("2026-07-15T19:59:00"))).toBe(MINUTE);
  });

  test("in a zone that is not whole hours away", () => {
    const kathmandu = { from: "10:00", to: "11:00", timeZone: "Asia/Kathmandu" };
    expect(untilHours(kathmandu, at("2026-01-15T04:15:00"))).toBe(0);
    expect(untilHours(kathmandu, at("2026-01-15T04:14:00"))).toBe(MINUTE);
  });

  test("over a change of the clocks are looked for again once the time is over, and found", () => {
    // In the night to 2026-03-29 Zürich has no time from 02:00 to 03:00.
    const zurich = { from: "04:00", to: "05:00", timeZone: "Europe/Zurich" };
    let now = at("2026-03-29T00:30:00");
    const opens = at("2026-03-29T02:00:00");
    // Thirty seconds at most between two looks.
    for (let looks = 0; untilHours(zurich, now) > 0 && looks < 1_000; looks += 1) {
      now = new Date(now.getTime() + Math.min(untilHours(zurich, now), 30_000));
    }
    expect(now).toEqual(opens);
  });

  test("that begin in the hour which the clocks leave out begin after it", () => {
    const zurich = { from: "02:30", to: "05:00", timeZone: "Europe/Zurich" };
    expect(untilHours(zurich, at("2026-03-29T00:59:00"))).toBeGreaterThan(0);
    expect(untilHours(zurich, at("2026-03-29T01:00:00"))).toBe(0);
  });
});
