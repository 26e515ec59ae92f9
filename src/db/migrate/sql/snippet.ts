import { placeOf, snippetOf } from "../../base/place.ts";
import { MigrateError, type MigrateErrorCode } from "../errors.ts";
import type { Migration, Tag } from "../types.ts";
import { type Masked, maskSecrets } from "./secrets.ts";

/** How much of a large file is looked at, on each side of the place that is shown. */
const WINDOW = 32_768;

/**
 * Takes the secrets out of the part of a file around a place, which may be shown: a file may hold megabytes of rows. The part starts
 * after a statement, as far as that can be told without reading the file.
 */
export function maskAround(sql: string, offset: number): Masked {
  if (sql.length <= 2 * WINDOW) return maskSecrets(sql);
  const from = offset <= WINDOW ? 0 : sql.lastIndexOf(";\n", offset - WINDOW) + 1;
  const start = offset - from > 2 * WINDOW ? offset - WINDOW : from;
  const part = maskSecrets(sql.slice(start, offset + WINDOW));
  const end = Math.min(sql.length, offset + WINDOW);
  const moved = part.text.length - (end - start);
  return {
    text: sql.slice(0, start) + part.text + sql.slice(end),
    offsetOf: (at) => {
      if (at <= start) return at;
      return at >= end ? at + moved : start + part.offsetOf(at - start);
    },
    secrets: part.secrets,
  };
}

/** The line of an offset with a caret below it, at most two lines of context before, secrets masked. */
export function snippet(text: string, offset: number): string {
  const masked = maskAround(text, offset);
  return snippetOf(masked.text, masked.offsetOf(offset));
}

/** The error of a file that is refused before anything runs, with the place in it. */
export function errorAt(
  { file, sql, tag }: Pick<Migration, "file" | "sql"> & { readonly tag?: Tag },
  offset: number,
  error: {
    readonly code: MigrateErrorCode;
    readonly what: string;
    readonly remedy: string;
    readonly cause?: unknown;
  },
): MigrateError {
  const { code, what, remedy, cause } = error;
  const { line, column } = placeOf(sql, offset);
  return new MigrateError({
    code,
    tag,
    fact: `${file}:${line}:${column}: ${what}\n\n${snippet(sql, offset)}\n`,
    outcome: "nothing-run",
    remedy,
    place: { file, line, column },
    cause,
  });
}
