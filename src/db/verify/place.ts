import type { MigrateError } from "../migrate/index.ts";
import type { Finding } from "./types.ts";

/** Where in its file an error is: the server tells it, or the grammar does in the message. */
export function placeOf({ recorded, fact }: MigrateError): Pick<Finding, "line" | "column"> {
  const [, line, column] = /:(\d+):(\d+): /.exec(fact) ?? [];
  const place = recorded ?? {
    line: line === undefined ? null : Number(line),
    column: column === undefined ? null : Number(column),
  };
  return {
    ...(place.line !== null && { line: place.line }),
    ...(place.column !== null && { column: place.column }),
  };
}

/** The line that holds a text, from 1. */
export function lineOf(text: string | undefined, part: string): number | undefined {
  const place = text?.indexOf(part) ?? -1;
  return place === -1 ? undefined : (text?.slice(0, place).split("\n").length ?? undefined);
}
