import { basename } from "node:path";
import { oneLine } from "../base/text.ts";
import { MigrateError } from "../migrate/index.ts";
import type { LocatedKit } from "./locate.ts";

/** An error as the functions of drizzle-kit 1.x return it: a code, and fields of that code. */
type KitFailure = { readonly code: string } & Readonly<Record<string, unknown>>;

/**
 * What drizzle-kit 1.x has refused.
 *
 * @param failure undefined where its process ended without saying one
 * @param words what its command says of the same
 */
export function kitError(
  failure: KitFailure | undefined,
  words: string,
  dir: string,
): MigrateError {
  if (failure?.code !== "check_error") {
    const message = typeof failure?.message === "string" ? failure.message : words;
    return errorOf(
      "config",
      `drizzle-kit generate failed:\n${message}`,
      "The migrations folder is as it was.",
    );
  }
  if (failure.kind === "conflicts") return conflict(failure, dir);
  const up =
    "Run `npx drizzle-kit up`, then generate again. It converts the snapshots, and leaves the SQL as it is.";
  const restore = `Do what it says, but delete no migration that any database has: restore files instead (\`git log --stat -- ${dir}\` shows what became of them).`;
  return errorOf(
    "history_invalid",
    `drizzle-kit cannot continue from the snapshots of ${dir}:\n${words}`,
    failure.kind === "non_latest" ? up : restore,
  );
}

interface Conflict {
  readonly parentPath?: string;
  readonly branches: readonly {
    readonly leafPath: string | null;
    readonly statementDescription: string;
  }[];
}

/** Two branches that cannot be put in any order. */
function conflict({ details, fix }: KitFailure, dir: string): MigrateError {
  const pairs = Array.isArray(details) ? (details as readonly Conflict[]) : [];
  const at = (path: string | null | undefined) => `${dir}/${basename(path ?? "")}`;
  const lines = pairs.flatMap(({ parentPath, branches }) => [
    `  after ${at(parentPath)}:`,
    ...branches.map((branch) => `    ${at(branch.leafPath)}: ${branch.statementDescription}`),
  ]);
  const { migrations = [] } = (fix ?? {}) as { migrations?: readonly string[] };
  const deleted = migrations.map((path) => at(path)).join(", ");
  return errorOf(
    "history_invalid",
    `Two branches change the same thing, and drizzle-kit refuses to continue:\n${lines.join("\n")}`,
    [
      `Move your branch's own behind the other, if no database has run it: \`tidemark rebase --base <branch>\`. Or delete its folder, run \`tidemark sum\`, and generate it again.`,
      `\`npx drizzle-kit generate --fix-conflicts\` would delete ${deleted}, and write one migration instead: only where no database has run any of them.`,
    ].join("\n"),
  );
}

function errorOf(code: "config" | "history_invalid", fact: string, remedy: string): MigrateError {
  return new MigrateError({ code, fact, outcome: "nothing-written", remedy });
}

export function unreadable(config: string, message: string): MigrateError {
  return new MigrateError({
    code: "config",
    fact: `${config} cannot be read: ${message.split("\n")[0]}`,
    outcome: "nothing-written",
    remedy: "Correct it, and generate again.",
  });
}

/** Another version of drizzle-orm is the usual reason. */
export function unloadable({ version }: LocatedKit, message: string): MigrateError {
  return new MigrateError({
    code: "config",
    fact: `drizzle-kit ${version} cannot be loaded: ${message.split("\n")[0]}`,
    outcome: "nothing-written",
    remedy: `It needs the drizzle-orm of its own version: npm install drizzle-orm@${version}.`,
  });
}

/** It answers, but not as it does in the versions that are known. */
export function unexpected({ version }: LocatedKit, answer: object): MigrateError {
  return new MigrateError({
    code: "config",
    fact: `drizzle-kit ${version} answers with ${oneLine(JSON.stringify(answer), 200)}, which Tidemark does not know.`,
    outcome: "nothing-written",
    remedy:
      "Install drizzle-kit 1.0.0-rc.5 or a newer Tidemark, and report this to its maintainers.",
  });
}
