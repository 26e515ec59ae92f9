import type { Hours } from "../code/backfill-definition.ts";

const MINUTE_MS = 60_000;
const DAY_MIN = 1_440;

/** Milliseconds until it may run again; 0 while it may. */
export function untilHours(hours: Hours | undefined, now: Date): number {
  if (hours === undefined) return 0;
  const at = minuteOfDay(now, hours.timeZone ?? "UTC");
  const from = minutesOf(hours.from);
  const to = minutesOf(hours.to);
  const isOpen = from <= to ? at >= from && at < to : at >= from || at < to;
  if (isOpen) return 0;
  return ((from - at + DAY_MIN) % DAY_MIN) * MINUTE_MS - (now.getTime() % MINUTE_MS);
}

/** Minutes since midnight of `HH:MM`; NaN where it is not one. */
export function minutesOf(text: string): number {
  const [, hours, minutes] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? [];
  return Number(hours) * 60 + Number(minutes);
}

function minuteOfDay(now: Date, timeZone: string): number {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  }).formatToParts(now);
  const part = (type: string) => Number(parts.find((found) => found.type === type)?.value);
  return part("hour") * 60 + part("minute");
}
