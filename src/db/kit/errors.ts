import { MigrateError, withParts } from "../migrate/index.ts";
import type { Answering } from "./answers.ts";
import type { Fork } from "./chain.ts";
import { nameText } from "./names.ts";
import { renamesFor, renameText } from "./renames.ts";
import type { Assumption, FullName, Question } from "./types.ts";

/** It becomes a part of file names: no path, nothing that a shell or a URL reads otherwise. */
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_-]{0,99}$/u;

/** @throws MigrateError `usage` where a name cannot be a part of a file's name */
export function checkName(name: string | undefined): void {
  if (name === undefined || NAME.test(name)) return;
  throw new MigrateError({
    code: "usage",
    fact: `${JSON.stringify(name)} cannot be a migration's name: it becomes a part of its file's name.`,
    outcome: "nothing-run",
    remedy: "Use letters, digits, _ and -, as in add_orgs.",
  });
}

/** @throws MigrateError `usage` where a rename was given that nobody asked about */
export function refuseUnusedRenames({ unused, asked }: Answering): void {
  const left = unused();
  if (left.length === 0) return;
  const possible = asked().flatMap(renamesFor).map(renameText);
  throw new MigrateError({
    code: "usage",
    fact: `${left.map(renameText).join(" and ")}: ${left.length === 1 ? "it answers" : "they answer"} no question of drizzle-kit, which asks where something is gone and another of its kind is new.`,
    outcome: "nothing-written",
    remedy:
      possible.length === 0
        ? "There was nothing that could have been renamed."
        : `There was to rename:\n${possible.map((text) => `  ${text}`).join("\n")}`,
  });
}

/** drizzle-kit has not done what it was asked to. */
export function kitFailed(how: string, error?: unknown): MigrateError {
  if (error instanceof MigrateError) {
    const fact = `drizzle-kit ${how}: ${error.fact}`;
    return withParts(error, { fact, outcome: "nothing-written" });
  }
  return new MigrateError({
    code: "config",
    fact: `drizzle-kit generate ${how}`,
    outcome: "nothing-written",
    remedy: "The migrations folder is as it was.",
    cause: error,
  });
}

export function canceled(): MigrateError {
  return new MigrateError({
    code: "canceled",
    fact: "Canceled.",
    outcome: "nothing-written",
    remedy: "The migrations folder is as it was.",
  });
}

/** A snapshot that cannot be read: drizzle-kit refuses it too. */
export function brokenSnapshot(dir: string, file: string, reason: string): MigrateError {
  return new MigrateError({
    code: "history_invalid",
    fact: `${dir}/${file} is no snapshot: ${reason}.`,
    outcome: "nothing-written",
    remedy: `Restore it (\`git log -p -- ${dir}/${file}\` shows what it was).`,
  });
}

/** Snapshots from which drizzle-kit does not go on. */
export function forked(dir: string, forks: readonly Fork[]): MigrateError {
  return new MigrateError({
    code: "history_invalid",
    fact: forks.map((fork) => forkFact(dir, fork)).join("\n"),
    outcome: "nothing-written",
    remedy: `${forkRemedy(dir, forks)}`,
  });
}

export function forkFact(dir: string, { snapshots, parent, isOfRoots }: Fork): string {
  const all = snapshots.map((path) => `${dir}/${path}`);
  const list = `${all.slice(0, -1).join(", ")} and ${all.at(-1)}`;
  const which = parent === undefined ? "which is not in the folder" : `${dir}/${parent}`;
  return isOfRoots
    ? `The snapshots ${list} follow none: each starts a history, and drizzle-kit refuses more than one.`
    : `The snapshots ${list} follow the same one (${which}): two branches generated from it, and drizzle-kit refuses to continue.`;
}

/** A way out that touches nothing which may be applied: no database knows of snapshots. */
export function forkRemedy(dir: string, forks: readonly Fork[]): string {
  const edits = forks.flatMap(({ mend }) =>
    mend.map(({ path, prevId, of }) => `  ${dir}/${path}: "prevId": "${prevId}" (the id of ${of})`),
  );
  return [
    "Do not touch the SQL files and the journal: both migrations may be applied. No database knows of snapshots: put these in one line by editing:",
    ...edits,
    "Then run `tidemark generate`: it drafts what the newest snapshot lacks of the other branch, and says how to keep that without running it twice.",
  ].join("\n");
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
    fact: `Renamed, or dropped and added? drizzle-kit has to be told:\n${lines.join("\n")}`,
    outcome: "nothing-written",
    remedy:
      "Generate again with the options that are meant; with --no-renames " +
      `what they do not name is dropped, with what it holds, and added empty.${follows}`,
  });
}

/** What `--no-renames` has done. */
export function assumptionText({ kind, dropped, added }: Assumption): string {
  const list = (names: readonly FullName[]) => names.map(nameText).join(", ");
  const kinds =
    dropped.length + added.length > 2 ? `${kind === "policy" ? "policie" : kind}s` : kind;
  return `taken for no rename (--no-renames), ${kinds}: ${list(dropped)} DROPPED, with what is in it; ${list(added)} added.`;
}
