import type { Command } from "commander";

/** The action of a command whose code is loaded when it runs. */
export type RunCommand = <Given extends unknown[]>(
  load: () => Promise<(...given: Given) => Promise<number>>,
) => (...given: Given) => Promise<void>;

export const SCRATCH_URL = [
  "--scratch-url <url>",
  "server for scratch databases (default: a throw-away embedded PostgreSQL)",
] as const;

export function withOutput(command: Command): Command {
  return command
    .option("--config <file>", "drizzle configuration (default: drizzle.config.ts)")
    .option("--json", "print one JSON object on stdout")
    .option("--quiet", "print only results and errors")
    .option("--no-color", "do not use colours");
}

export function withFolder(command: Command): Command {
  return withOutput(
    command.option(
      "--dir <folder>",
      "migrations folder (default: `out` of drizzle.config.ts, else ./drizzle)",
    ),
  );
}

export function withDatabase(command: Command): Command {
  return withTarget(command).option(
    "--connect-timeout <seconds>",
    "how long to wait for the server (default: 10)",
  );
}

export function withTarget(command: Command): Command {
  return withFolder(
    command
      .option(
        "--url <url>",
        "database (default: MIGRATION_DATABASE_URL, else dbCredentials of drizzle.config.ts, DATABASE_URL, PGHOST …)",
      )
      .option("--embedded", "without a URL, use this folder's own development server")
      .option("--ledger-schema <name>", "schema of the ledger (default: tidemark)"),
  );
}

export function withScratch(command: Command): Command {
  return withFolder(withScratchServer(command));
}

export function withScratchServer(command: Command): Command {
  return command
    .option(...SCRATCH_URL)
    .option("--ledger-schema <name>", "schema of the ledger (default: tidemark)");
}

/** For build steps, which run where there is no database too. */
export function withIfUrl(command: Command): Command {
  return command.option("--if-url", "without a database URL, do nothing and exit with 0");
}

const EXAMPLES = new WeakMap<Command, readonly string[]>();

/** Lines for a shell, the plainest first: it stands in the README's table too. */
export function examples(command: Command, ...lines: readonly string[]): Command {
  EXAMPLES.set(command, lines);
  return command.addHelpText(
    "after",
    `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}`,
  );
}

export function examplesOf(command: Command): readonly string[] {
  return EXAMPLES.get(command) ?? [];
}

/** For a repeatable option. */
export function append(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
