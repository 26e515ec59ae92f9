import { dirname, join } from "node:path";

const MARKED =
  /^[ \t]*(?:\/\/|<!--) users:start(?: -->)?\n.*?^[ \t]*(?:\/\/|<!--) users:end(?: -->)?\n+/gms;

/** The text without what lies between the marks, and without these. */
export function withoutMarked(text: string): string {
  return text.replace(MARKED, "");
}

const FROM = /^(?:import|export) [^;]*? from "(\.[^"]+)";\n/gms;

/**
 * The text of a module without imports and exports of files that went. Only of these: a template may hold the text of
 * an import of what was never there.
 */
export function withoutImportsOf(gone: ReadonlySet<string>, file: string, text: string): string {
  return text.replace(FROM, (statement, specifier: string) =>
    gone.has(join(dirname(file), specifier)) ? "" : statement,
  );
}

/** Without the entries of this JSON array, as text, that name `word` in one of their fields. */
export function withoutEntries(text: string, word: RegExp): string {
  return text.replace(/^ {2,4}\{\n(?: {4,}.*\n)*? {2,4}\},?\n/gm, (entry) =>
    word.test(entry) ? "" : entry,
  );
}
