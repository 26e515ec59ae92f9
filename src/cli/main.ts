#!/usr/bin/env node
import { type Command, CommanderError } from "commander";
import { EXIT_CODES, errorJson, MigrateError } from "../db/migrate/index.ts";
import { COMPLETION, createProgram } from "./program.ts";
import { commandFirst } from "./support/argv.ts";
import { useBaselineCompiler } from "./support/baseline-compiler.ts";
import { survivePipeErrors } from "./support/streams.ts";
import { UNEXPECTED_EXIT_CODE, unexpectedJson, unexpectedText } from "./support/unexpected.ts";

async function main(given: readonly string[]): Promise<number> {
  useBaselineCompiler();
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
    if (!(error instanceof CommanderError)) return unexpected(error, argv);
    if (error.exitCode === 0) return 0;
    if (argv.includes("--json")) {
      const fact = error.message.replace(/^error: /, "");
      const usage = new MigrateError({ code: "usage", fact, remedy: "Run with --help." });
      process.stdout.write(`${JSON.stringify(errorJson(usage))}\n`);
    }
    return EXIT_CODES.usage;
  }
}

/** An error that no command caught: its code could not be loaded, or an event emitter failed. */
function unexpected(error: unknown, argv: readonly string[]): number {
  if (argv.includes("--json")) process.stdout.write(`${JSON.stringify(unexpectedJson(error))}\n`);
  process.stderr.write(`${unexpectedText(error)}\n`);
  return UNEXPECTED_EXIT_CODE;
}

/** The completion script calls `complete` at each press of the key. */
function needsCompletion([name, ...rest]: readonly string[]): boolean {
  return name === "complete" || (name === COMPLETION && !/^(-h|--help)$/.test(rest[0] ?? ""));
}

/** The library's own command replaces the one in the help. */
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

const argv = process.argv.slice(2);
process.on("uncaughtException", (error) => process.exit(unexpected(error, argv)));
const lostResults = survivePipeErrors();
const exitCode = await main(argv);
// A write error is reported one turn later.
await new Promise((resolve) => setImmediate(resolve));
const lost = lostResults();
if (lost !== undefined) {
  console.error(
    `error The results could not be written to stdout: ${lost}. The command itself ended with ${exitCode}.`,
  );
}
process.exitCode = exitCode === 0 && lost !== undefined ? 1 : exitCode;
