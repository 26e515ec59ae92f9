/** What this command line paints with itself: bold, dim, red, green, yellow, cyan, and their ends. */
const OWN_PAINT = "\\u001b\\[(?:1|2|22|31|32|33|36|39)m";

// C0 but newline and tab, DEL, C1, and what turns the direction of a line: they move the cursor, hide text, rename
// the window.
const HIDDEN = "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]";

const PATTERN = new RegExp(`${OWN_PAINT}|\\r(?=\\n)|${HIDDEN}`, "g");

/**
 * A text for a terminal: what would act on it is shown as its code (`\u001b`). Files, notices, errors, names and rows
 * are other people's.
 *
 * @param isPainted whether colours of our own are in it
 */
export function visible(text: string, isPainted: boolean): string {
  return text.replaceAll(PATTERN, (found, at: number) => {
    if (found === "\r" && text[at + 1] === "\n") return "";
    if (isPainted && found.length > 1) return found;
    return [...found].map(codeOf).join("");
  });
}

function codeOf(character: string): string {
  const code = character.charCodeAt(0);
  return code >= 0x20 && code < 0x7f ? character : `\\u${code.toString(16).padStart(4, "0")}`;
}
