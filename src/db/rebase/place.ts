import type { JournalEntry, Layout, Tag } from "../migrate/index.ts";

/** Where a migration goes, in the history and by its names. */
export interface Placed {
  readonly from: Tag;
  readonly tag: Tag;
  /** Of its journal entry, in the layout of 0.x. */
  readonly entry: JournalEntry;
  /** Path of its snapshot. */
  readonly snapshotPath: string;
}

const SECOND = 1_000;

/**
 * Places for migrations behind those of the base, in their order. One that comes behind already, by its
 * number and its time, keeps them.
 *
 * @param base the base's entries, in their order
 */
export function placeBehind(
  own: readonly JournalEntry[],
  base: readonly JournalEntry[],
  layout: Layout,
): readonly Placed[] {
  return layout === "0.x" ? inJournal(own, base) : byNames(own, base);
}

function inJournal(own: readonly JournalEntry[], base: readonly JournalEntry[]): readonly Placed[] {
  let idx = Math.max(-1, ...base.map((entry, place) => entry.idx ?? place));
  let when = Math.max(0, ...base.map((entry) => entry.when ?? 0));
  const prefixes = base.map(({ tag }) => tag.split("_")[0] ?? "");
  let prefix = prefixes.at(-1) ?? "";
  return own.map((entry) => {
    const old = entry.idx ?? idx + 1;
    idx = Math.max(old, idx + 1);
    // Where the base's names are ahead of its numbers, a snapshot would get the name of one of its.
    while (prefixes.includes(numbered(idx))) idx += 1;
    when = Math.max(entry.when ?? 0, when + 1);
    const [first = "", ...rest] = entry.tag.split("_");
    const next = prefixOf(first, { old, idx, when, after: prefix });
    const isCounted = next !== undefined;
    const tag = isCounted ? [next, ...rest].join("_") : entry.tag;
    prefix = isCounted ? next : prefix;
    const stem = isCounted ? next : numbered(idx);
    return {
      from: entry.tag,
      tag,
      entry: { ...entry, idx, when, tag },
      snapshotPath: `meta/${stem}_snapshot.json`,
    };
  });
}

/** The new prefix of a tag: its number, or its time in one of drizzle-kit's two ways. A name of a person's own has none. */
function prefixOf(
  first: string,
  { old, idx, when, after }: { old: number; idx: number; when: number; after: string },
): string | undefined {
  if (/^\d{14}$/.test(first)) return first > after ? first : (later(after, 14) ?? stampOf(when));
  if (/^\d{10}$/.test(first))
    return first > after ? first : (later(after, 10) ?? String(Math.trunc(when / SECOND)));
  if (/^\d{4,}$/.test(first) && (Number(first) === old || first.length === 4)) return numbered(idx);
  return undefined;
}

function numbered(idx: number): string {
  return String(idx).padStart(4, "0");
}

/** The next second after a prefix of the same kind. */
function later(prefix: string, digits: 10 | 14): string | undefined {
  if (!new RegExp(`^\\d{${digits}}$`).test(prefix)) return undefined;
  return digits === 10 ? String(Number(prefix) + 1) : stampOf(timeOf(prefix) + SECOND);
}

function byNames(own: readonly JournalEntry[], base: readonly JournalEntry[]): readonly Placed[] {
  let before = base.at(-1)?.tag;
  return own.map((entry) => {
    const isAfter = before === undefined || entry.tag.localeCompare(before) > 0;
    const stamp = before === undefined ? undefined : /^\d{14}/.exec(before)?.[0];
    const tag =
      isAfter || stamp === undefined
        ? entry.tag
        : entry.tag.replace(/^\d{14}/, stampOf(timeOf(stamp) + SECOND));
    before = tag;
    return { from: entry.tag, tag, entry: { tag }, snapshotPath: `${tag}/snapshot.json` };
  });
}

/** `YYYYMMDDHHMMSS`, in UTC. */
function stampOf(ms: number): string {
  return new Date(ms).toISOString().replace(/\D/g, "").slice(0, 14);
}

function timeOf(stamp: string): number {
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(stamp) ?? [];
  return Date.UTC(Number(y), Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s));
}

/** What comes before one that should be behind it, or has its name: nobody can number those. */
export function misplaced(
  placed: readonly Placed[],
  base: readonly JournalEntry[],
  layout: Layout,
): readonly Tag[] {
  const names = new Set(base.map(({ tag }) => tag));
  let before = base.at(-1)?.tag ?? "";
  return placed.flatMap(({ tag }) => {
    const isWrong = names.has(tag) || (layout === "1.x" && tag.localeCompare(before) <= 0);
    before = tag;
    return isWrong ? [tag] : [];
  });
}
