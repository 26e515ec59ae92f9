import { MigrateError } from "../errors.ts";
import type { EventSink } from "../types.ts";

/** Name of the sink's file in the migrations folder. */
export const SINK_FILE = "event-sink.sql";

const TABLE_LINE = /^--[ \t]*tidemark:[ \t]*event-sink[ \t]+(\S.*?)[ \t]*$/m;

/**
 * Reads a sink's file: SQL with one line that names the table it writes to.
 *
 * @throws MigrateError `history_invalid` without that line, or without a statement
 */
export function parseSinkFile(text: string, file: string): EventSink {
  const table = TABLE_LINE.exec(text)?.[1];
  const empty = text.replaceAll(/--[^\n]*/g, "").trim() === "";
  if (table !== undefined && !empty) return { table, sql: text };
  throw new MigrateError({
    code: "history_invalid",
    fact: empty
      ? `${file} contains no statement.`
      : `${file} does not name the table it writes to.`,
    outcome: "nothing-run",
    remedy:
      "It needs a line `-- tidemark: event-sink <schema>.<table>` and one statement " +
      "that writes the events in $1 (jsonb) to that table; without the file, nothing is copied.",
  });
}
