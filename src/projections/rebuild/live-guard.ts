import { identifier } from "../../db/base/quote.ts";
import { ProjectionError } from "../projection-error.ts";
import type { TableName } from "./cloned-tables.ts";

/**
 * Refuses statements of a rebuild that name a live table: the handler has used a table that it
 * imported, and its rows would be lost, or the readers' be changed.
 *
 * @throws ProjectionError `live_table`
 */
export function liveGuard(
  projection: string,
  tables: readonly TableName[],
): (text: string) => void {
  const forbidden = tables.map(({ schema, name }) => ({
    label: `${schema}.${name}`,
    pattern: new RegExp(
      `${spelled(schema)}\\s*\\.\\s*${spelled(name)}(?![\\w$])${schema === "public" ? `|${unqualified(name)}` : ""}`,
      "i",
    ),
  }));
  return (text) => {
    const found = forbidden.find(({ pattern }) => pattern.test(text));
    if (found === undefined) return;
    throw new ProjectionError({
      code: "live_table",
      fact: `While it was rebuilt, the handler of ${projection} used the live table ${found.label}.`,
      outcome: "rolled-back",
      remedy: "Use the tables that the handler is given, in place of the imported ones.",
    });
  };
}

/** Where a statement names a table: Drizzle writes those of `public` without their schema. */
function unqualified(name: string): string {
  return `\\b(?:from|join|into|update|using|only|table|truncate)\\s+${spelled(name)}(?![\\w$]|\\s*\\.)`;
}

/** Quoted, or as it may stand without quotes. */
function spelled(name: string): string {
  return `(?:${escaped(identifier(name))}|(?<![\\w$"])${escaped(name)})`;
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
