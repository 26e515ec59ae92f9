import { placeOf, snippetOf } from "../../base/place.ts";
import { messageOf } from "../../base/problem.ts";
import { MigrateError } from "../errors.ts";

/** A node of the parser's, as far as anything is known of it. */
export type Tree = Readonly<Record<string, unknown>>;

/** A file of code. */
export interface CodeText {
  /** As messages name it. */
  readonly file: string;
  readonly text: string;
}

/**
 * Parses a file, as TypeScript where its name says so.
 *
 * @throws MigrateError `history_invalid`, with the place of a syntax error
 */
export async function parseCode({ file, text }: CodeText): Promise<Tree> {
  // Loaded where there is code: most histories have none.
  const { parse } = await loadParser();
  const plugins = /\.[mc]?ts$/.test(file) ? (["typescript"] as const) : [];
  try {
    const options = { sourceType: "unambiguous", allowReturnOutsideFunction: true } as const;
    return parse(text, { ...options, plugins: [...plugins] }).program as unknown as Tree;
  } catch (cause) {
    const offset = offsetOf(cause);
    // The parser ends its message with the place.
    const what = messageOf(cause).replace(/ \(\d+:\d+\)$/, "");
    throw codeError({ file, text }, offset, `syntax error: ${what}`, {
      remedy: "Correct the file and run again.",
      cause,
    });
  }
}

/** In a bundle, a CommonJS module is the default export of what its import gives. */
async function loadParser(): Promise<Pick<typeof import("@babel/parser"), "parse">> {
  const module: object = await import("@babel/parser");
  return (
    "parse" in module ? module : (module as { readonly default: unknown }).default
  ) as Awaited<ReturnType<typeof loadParser>>;
}

function offsetOf(error: unknown): number {
  const { pos } = error as { readonly pos?: unknown };
  return typeof pos === "number" ? pos : 0;
}

/** The error of a file of code, with the place in it. */
export function codeError(
  { file, text }: CodeText,
  offset: number,
  what: string,
  { remedy, cause }: { readonly remedy: string; readonly cause?: unknown },
): MigrateError {
  const { line, column } = placeOf(text, offset);
  return new MigrateError({
    code: "history_invalid",
    fact: `${file}:${line}:${column}: ${what}\n\n${snippetOf(text, offset)}\n`,
    outcome: "nothing-run",
    remedy,
    place: { file, line, column },
    cause,
  });
}
