/** A place in a file, as editors count: both from 1, the column in code points. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Code points in a text. PostgreSQL counts in these, JavaScript in UTF-16 units. */
export function codePoints(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    // The second half of a surrogate pair belongs to the code point before it.
    if (unit < 0xdc00 || unit > 0xdfff) count += 1;
  }
  return count;
}

/** UTF-16 offset of the code point with that number (from 0). */
export function offsetOfCodePoint(text: string, index: number): number {
  let seen = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xdc00 && unit <= 0xdfff) continue;
    if (seen === index) return i;
    seen += 1;
  }
  return text.length;
}

/** Line and column of a UTF-16 offset. */
export function placeOf(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  return {
    line: before.split("\n").length,
    column: codePoints(before.slice(lineStart)) + 1,
  };
}

const WIDEST = 120;

/**
 * The line of an offset with a caret below it, at most two lines of context before:
 *
 * ```
 *   3 | create table b (
 *   4 |   id intt
 *     |      ^
 * ```
 */
export function snippetOf(text: string, offset: number): string {
  const place = placeOf(text, offset);
  const lines = text.split("\n").map((line) => visible(line.replace(/\r$/, "")));
  const gutter = String(place.line).length;
  const shown = lines
    .slice(Math.max(0, place.line - 3), place.line)
    .map((line, i, all) => `${String(place.line - all.length + 1 + i).padStart(gutter)} | ${line}`);
  const last = lines[place.line - 1] ?? "";
  const before = Array.from(last).slice(0, place.column - 1);
  let indent = displayWidth(before.join(""));
  if (indent > WIDEST) {
    // A generated line of many thousand characters: show the part around the caret.
    const from = before.length - 40;
    const part = Array.from(last).slice(from, from + WIDEST);
    shown.splice(shown.length - 1, 1, `${String(place.line).padStart(gutter)} | …${part.join("")}`);
    indent = displayWidth(before.slice(from).join("")) + 1;
  }
  return [...shown, `${" ".repeat(gutter)} | ${" ".repeat(indent)}^`]
    .map((line) => (line.length > WIDEST + 40 ? `${line.slice(0, WIDEST + 40)}…` : line))
    .join("\n");
}

/** A terminal acts on control characters, or swallows them: shown as the symbols that Unicode has for them. */
function visible(line: string): string {
  return (
    line
      .replaceAll("\t", " ")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
      .replace(/[\0-\x1f]/g, (char) => String.fromCharCode(0x2400 + char.charCodeAt(0)))
      .replaceAll("\x7f", "\u2421")
  );
}

/** Columns a text takes on a terminal: East Asian wide characters and emoji take two. */
function displayWidth(text: string): number {
  let width = 0;
  for (const char of text) {
    if (/\p{Mark}|\u200d/u.test(char)) continue;
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
        char,
      )
        ? 2
        : 1;
  }
  return width;
}
