/** "1 migration", "2 migrations". */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** 42 ms, 1.5 s, 3 min 20 s. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

const MOST_LISTED = 5;

/** "a, b and 3 more": five at most. */
export function listed(texts: readonly string[], separator = ", "): string {
  const more = texts.length - MOST_LISTED;
  return `${texts.slice(0, MOST_LISTED).join(separator)}${more > 0 ? ` and ${more} more` : ""}`;
}

const LONGEST = 16_384;

/** A text without its end, where it is longer than anybody reads: an error's may have megabytes. */
export function shortened(text: string, longest = LONGEST): string {
  if (text.length <= longest) return text;
  // Half a character could not be stored.
  const start = text.slice(0, longest).replace(/[\uD800-\uDBFF]$/, "");
  return `${start}… (${text.length - start.length} characters are left out)`;
}

/** A text on one line, cut where it is longer than `width`. */
export function oneLine(text: string, width = Number.POSITIVE_INFINITY): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > width ? `${line.slice(0, width - 1)}…` : line;
}
