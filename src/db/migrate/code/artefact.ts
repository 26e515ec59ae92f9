import type { Checksum } from "../types.ts";

/** Code that was compiled from TypeScript, with what says so in its first line. */
export interface Artefact {
  /** Of the code that it was compiled from. */
  readonly source: Checksum;
  /** Of all that follows the first line, as it was when it was compiled. */
  readonly body: Checksum;
}

const HEAD = /^\/\/ tidemark: compiled from (sha256:[0-9a-f]{64}), is (sha256:[0-9a-f]{64})\r?\n/;

/** What the first line of a file says; undefined where the file was not compiled by Tidemark. */
export function readArtefact(text: string): Artefact | undefined {
  const [, source, body] = HEAD.exec(text) ?? [];
  if (source === undefined || body === undefined) return undefined;
  return { source: source as Checksum, body: body as Checksum };
}

/** A compiled file's text with its first line. */
export function withHead({ source, body }: Artefact, text: string): string {
  return `// tidemark: compiled from ${source}, is ${body}\n${text}`;
}

/** A compiled file's text after its first line. */
export function bodyOf(text: string): string {
  return text.replace(HEAD, "");
}
