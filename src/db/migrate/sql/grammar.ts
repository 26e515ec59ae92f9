import type { ParseResult, ScanToken } from "libpg-query";

/** PostgreSQL's own grammar. */
export interface Parser {
  readonly parse: (sql: string) => ParseResult;
  /** Its words; their places are bytes. */
  readonly scan: (sql: string) => readonly ScanToken[];
  readonly syntaxErrorAt: (error: unknown) => number | undefined;
}

let loading: Promise<Parser> | undefined;
let loaded: Parser | undefined;

/**
 * Loads the grammar (a WebAssembly module, about 20 ms) on first use, not at import.
 * Called ahead of need where there is something else to wait for.
 */
export async function loadParser(): Promise<Parser> {
  loading ??= import("libpg-query").then(async (module) => {
    await module.loadModule();
    loaded = {
      parse: module.parseSync,
      scan: (sql) => module.scanSync(sql).tokens,
      syntaxErrorAt: (error) =>
        module.hasSqlDetails(error) ? error.sqlDetails?.cursorPosition : undefined,
    };
    return loaded;
  });
  return loading;
}

/** The grammar, where somebody has loaded it: whoever has SQL to show has read it before. */
export function loadedParser(): Parser | undefined {
  return loaded;
}
