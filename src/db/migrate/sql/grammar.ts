import type { ParseResult, ScanToken } from "libpg-query";
import { messageOf } from "../../base/problem.ts";
import { MigrateError } from "../errors.ts";

/** PostgreSQL's own grammar. */
export interface Parser {
  readonly parse: (sql: string) => ParseResult;
  /** The body of a PL/pgSQL function, of the whole statement that makes it. */
  readonly parsePlpgsql: (sql: string) => unknown;
  /** Its words; their places are bytes. */
  readonly scan: (sql: string) => readonly ScanToken[];
  readonly syntaxErrorAt: (error: unknown) => number | undefined;
}

let loading: Promise<Parser> | undefined;
let loaded: Parser | undefined;

/**
 * Loads the grammar (a WebAssembly module, about 20 ms) on first use, not at import.
 * Called ahead of need where there is something else to wait for.
 *
 * @throws MigrateError `config`, where this process has no WebAssembly
 */
export async function loadParser(): Promise<Parser> {
  loading ??= load().catch((cause: unknown) => {
    throw new MigrateError({
      code: "config",
      fact: `PostgreSQL's grammar, a WebAssembly module, cannot be loaded: ${messageOf(cause)}.`,
      outcome: "nothing-run",
      remedy:
        "Run Node.js without --jitless. In a bundle, leave Tidemark out of it (`esbuild --external:tidemark`).",
      cause,
    });
  });
  return loading;
}

async function load(): Promise<Parser> {
  // The grammar prints what it throws.
  if (!("WebAssembly" in globalThis)) throw new Error("WebAssembly is off");
  const module = await import("libpg-query");
  await module.loadModule();
  loaded = {
    parse: module.parseSync,
    parsePlpgsql: module.parsePlPgSQLSync,
    scan: (sql) => scanned(module.scanSync, sql),
    syntaxErrorAt: (error) =>
      module.hasSqlDetails(error) ? error.sqlDetails?.cursorPosition : undefined,
  };
  return loaded;
}

// Within words the binding writes them as they are, which it cannot read back.
const CONTROLS = /[^\P{Cc}\t\n\r\u007f-\u009f]/gu;

function scanned(
  scan: (sql: string) => { readonly tokens: readonly ScanToken[] },
  sql: string,
): readonly ScanToken[] {
  // The binding fails on a text without words.
  if (isBlank(sql)) return [];
  const plain = sql.replace(CONTROLS, " ");
  const { tokens } = scan(plain);
  if (plain === sql) return tokens;
  const bytes = Buffer.from(sql);
  return tokens.map((token) => ({
    ...token,
    text: bytes.toString("utf8", token.start, token.end),
  }));
}

/** Whether there is nothing but what PostgreSQL takes for white space: a no-break space is a letter to it. */
export function isBlank(sql: string): boolean {
  return /^[ \t\n\r\f\v]*$/.test(sql);
}

/** The grammar, where it is loaded: SQL that is to be shown has been read before. */
export function loadedParser(): Parser | undefined {
  return loaded;
}

/** Reads the grammar's places, which are UTF-8 bytes, as UTF-16 offsets of the text; to be asked in order. */
export function byteReader(sql: string): (byte: number) => number {
  const bytes = Buffer.from(sql);
  if (bytes.length === sql.length) return (byte) => byte;
  // Counted on from the one before: a file may have thousands.
  let lastByte = 0;
  let lastOffset = 0;
  return (byte) => {
    lastOffset += bytes.toString("utf8", lastByte, byte).length;
    lastByte = byte;
    return lastOffset;
  };
}
