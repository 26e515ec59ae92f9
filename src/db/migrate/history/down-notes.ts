/** The line of a down file that says why there is no way back. */
export const IRREVERSIBLE = "-- irreversible:";

const LOSES = "-- loses:";

/** The reason a down file gives for having no way back; undefined where it does not say so. */
export function irreversibleReason(text: string): string | undefined {
  // By hand it is written in many ways, and to run the file all the same would be worse than to ask.
  const lines = headerOf(text).map((line) => /^\s*--\s*irreversible\s*(?::(.*))?$/i.exec(line));
  const found = lines.find((line) => line !== null);
  return found && (found[1] ?? "").trim();
}

/** What a down file says that it loses, a label each: `column users.bio`. */
export function lossNotes(text: string): readonly string[] {
  return headerOf(text)
    .filter((line) => line.startsWith(LOSES))
    .map((line) => line.slice(LOSES.length).trim());
}

/** The comments that a file begins with. */
export function headerOf(text: string): readonly string[] {
  const lines = text.split(/\r?\n/);
  const end = lines.findIndex((line) => line.trim() !== "" && !line.trimStart().startsWith("--"));
  return end === -1 ? lines : lines.slice(0, end);
}
