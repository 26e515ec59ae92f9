import { createHash } from "node:crypto";
import { basename, dirname } from "node:path";
import { headerOf, IRREVERSIBLE, irreversibleReason, type Migration } from "../migrate/index.ts";

/** The path of a migration's down file, as messages name it. */
export function downPathOf({ file }: Pick<Migration, "file">): string {
  return file.replace(/\.sql$/, ".down.sql");
}

/** The name of a migration's file within its folder. */
export function sqlNameOf({ file, tag }: Pick<Migration, "file" | "tag">): string {
  const name = basename(file);
  return basename(dirname(file)) === tag ? `${tag}/${name}` : name;
}

/** The parts of a down file. */
export interface DownParts {
  /** Name of the file that it rolls back, as `sqlNameOf`. */
  readonly sqlName: string;
  readonly statements: readonly string[];
  /** The rows that it loses: `column users.bio`. */
  readonly loses: readonly string[];
  /** What comes back without its rows. */
  readonly empty: readonly string[];
  /** What it leaves as the migration made it. */
  readonly keeps: readonly string[];
}

const BREAKPOINT = "\n--> statement-breakpoint\n";

/** The text of a proven down file. */
export function downText({ sqlName, statements, loses, empty, keeps }: DownParts): string {
  const notes = [
    ...loses.map((what) => `-- loses: ${what}`),
    ...empty.map((what) => `-- comes back empty: ${what}`),
    ...keeps.map((what) => `-- keeps: ${what}`),
    ...(statements.length === 0
      ? ["-- The migration changes no object: there is nothing to do."]
      : []),
  ];
  const sql = statements.map((statement) => `${statement};`).join(BREAKPOINT);
  const body = [...notes, ...(sql === "" ? [] : [sql])].map((part) => `${part}\n`).join("");
  const proven = "Proven on a scratch database: it leads back to the catalog before.";
  return `-- Takes back ${sqlName}. ${proven} ${markOf(body)}\n${body}`;
}

/** The text of a down file where no way back could be proven; the attempt is in comments. */
export function irreversibleText(
  sqlName: string,
  reason: string,
  draft: readonly string[],
): string {
  const lines = [
    `${IRREVERSIBLE} ${reason.replaceAll(/\s*\n\s*/g, " ").trim()}`,
    `-- Write the rollback of ${sqlName} below by hand, then delete the line above:`,
    "-- `tidemark verify` proves this file.",
    ...(draft.length === 0 ? [] : ["-- This was tried:"]),
    ...draft.flatMap((sql) => `${sql};`.split("\n").map((line) => `--   ${line}`)),
  ];
  return `${lines.join("\n")}\n`;
}

/** Tells whether a file was touched since it was written. */
function markOf(body: string): string {
  const digest = createHash("sha256").update(body.replaceAll("\r\n", "\n")).digest("hex");
  return `(${digest.slice(0, 12)})`;
}

/** Whether nobody has edited a file: it is as it was written, or holds only comments. */
export function isAsWritten(text: string): boolean {
  const [first = "", ...rest] = text.replaceAll("\r\n", "\n").split("\n");
  if (first.startsWith("-- Takes back ")) return first.endsWith(markOf(rest.join("\n")));
  return irreversibleReason(text) !== undefined && headerOf(text).length === rest.length + 1;
}
