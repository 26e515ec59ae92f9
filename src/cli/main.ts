#!/usr/bin/env node
import { type Command, CommanderError } from "commander";
import { EXIT_CODES, errorJson, MigrateError } from "../db/migrate/index.ts";
import { COMPLETION, createProgram } from "./program.ts";
import { commandFirst } from "./support/argv.ts";

async function main(given: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = createProgram((code) => {
    exitCode = code;
  });
  const argv = commandFirst(program, given);
  if (needsCompletion(argv)) await addCompletion(program);
  for (const command of [program, ...program.commands]) command.exitOverride();
  try {
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (argv.includes("--json")) {
      const fact = error.message.replace(/^error: /, "");
      const usage = new MigrateError({ code: "usage", fact, remedy: "Run with --help." });
      process.stdout.write(`${JSON.stringify(errorJson(usage))}\n`);
    }
    return EXIT_CODES.usage;
  }
}

/** `complete` is what the script asks, at each press of the key. */
function needsCompletion([name, ...rest]: readonly string[]): boolean {
  return name === "complete" || (name === COMPLETION && !/^(-h|--help)$/.test(rest[0] ?? ""));
}

/** The library brings a command of its own in place of the one in the help. */
async function addCompletion(program: Command): Promise<void> {
  const { default: addTo } = await import("@bomb.sh/tab/commander");
  const commands = program.commands as Command[];
  commands.splice(
    commands.findIndex((command) => command.name() === COMPLETION),
    1,
  );
  const library = addTo(program, { completionCommandName: COMPLETION });
  const { BASH_COMPLETION } = await import("./support/bash-completion.ts");
  const name = program.name();
  commands
    .find((command) => command.name() === COMPLETION)
    ?.action((shell: string) => {
      if (shell === "bash") process.stdout.write(BASH_COMPLETION);
      else library.setup(name, name, shell);
    });
}

// A reader that has seen enough (`tidemark status | head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

process.exitCode = await main(process.argv.slice(2));
