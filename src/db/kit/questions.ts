import { MigrateError } from "../migrate/index.ts";
import type { Answering } from "./answers.ts";
import { nameText } from "./full-names.ts";
import type { Assumption, FullName, Question } from "./model.ts";
import { renamesFor, renameText } from "./renames.ts";

/** @throws MigrateError `usage` for a rename that answers no question */
export function refuseUnusedRenames({ unused, asked }: Answering): void {
  const left = unused();
  if (left.length === 0) return;
  const possible = asked().flatMap(renamesFor).map(renameText);
  throw new MigrateError({
    code: "usage",
    fact: `${left.map(renameText).join(" and ")}: ${left.length === 1 ? "it answers" : "they answer"} no question of drizzle-kit, which asks where something is gone and something else of its kind is new.`,
    outcome: "nothing-written",
    remedy:
      possible.length === 0
        ? "Nothing could have been renamed."
        : `These could have been renamed:\n${possible.map((text) => `  ${text}`).join("\n")}`,
  });
}

/** The questions, each with the options that would answer it. */
export function unansweredError(questions: readonly Question[]): MigrateError {
  const lines = questions.flatMap((question) => {
    const { kind, created, candidates } = question;
    const gone = candidates.map(nameText).join(", ");
    const options = renamesFor(question).map((rename) => `    ${renameText(rename)}`);
    return [
      `  ${kind} ${nameText(created)} is new, ${gone} ${candidates.length > 1 ? "are gone; at most one of" : "is gone"}:`,
      ...options,
    ];
  });
  const follows = questions.some(({ kind }) => kind === "schema")
    ? " What lies in a schema that is not renamed is asked about next."
    : "";
  return new MigrateError({
    code: "usage",
    fact: `Renamed, or dropped and added? drizzle-kit needs an answer:\n${lines.join("\n")}`,
    outcome: "nothing-written",
    remedy: `Generate again with the options that apply; --no-renames treats every other change as drop and create (data is lost).${follows}`,
  });
}

/** What `--no-renames` has done. */
export function assumptionText({ kind, dropped, added }: Assumption): string {
  const list = (names: readonly FullName[]) => names.map(nameText).join(", ");
  const kinds =
    dropped.length + added.length > 2 ? `${kind === "policy" ? "policie" : kind}s` : kind;
  return `treated as drop and create (--no-renames), ${kinds}: ${list(dropped)} DROPPED, with everything in it; ${list(added)} added.`;
}
