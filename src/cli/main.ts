#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { EXIT_CODES, errorJson, MigrateError, TOOL_VERSION } from "../db/migrate/index.ts";
import type { GenerateFlags } from "./generate.ts";
import type { MigrateFlags } from "./migrate.ts";
import type { StatusFlags } from "./status.ts";
import type { CommonFlags } from "./support/settings.ts";

const EXIT_CODE_HELP = `
Exit codes: 0 fine; 1 failed; 2 wrong use, settings or files; 3 pending (status --check);
4 edited, out of order or drifted; 5 waited too long for another runner; 130/143 canceled.`;

function withOutput(command: Command): Command {
  return command
    .option("--config <file>", "drizzle configuration (default: drizzle.config.ts)")
    .option("--json", "print one JSON object on stdout")
    .option("--quiet", "print results and errors alone")
    .option("--no-color", "print no colours");
}

function withFolder(command: Command): Command {
  return withOutput(
    command.option(
      "--dir <folder>",
      "migrations folder (default: `out` of drizzle.config.ts, else ./drizzle)",
    ),
  );
}

function withDatabase(command: Command): Command {
  return withFolder(
    command
      .option("--url <url>", "database (default: MIGRATION_DATABASE_URL, else DATABASE_URL)")
      .option("--embedded", "without a URL, use a development server of this folder's own")
      .option("--ledger-schema <name>", "schema of the ledger (default: tidemark)")
      .option("--connect-timeout <seconds>", "how long to wait for the server (default: 10)"),
  );
}

async function main(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = new Command("tidemark")
    .description("Runs Drizzle migrations on PostgreSQL: locked, fenced, resumable, recorded.")
    .version(TOOL_VERSION)
    .addHelpText("after", EXIT_CODE_HELP)
    .showHelpAfterError("Run with --help for the options.");

  withDatabase(program.command("migrate"))
    .description("apply what is pending")
    .option("--to <tag>", "stop after this migration")
    .option("--dry-run", "print what would run, and run nothing")
    .option("--allow-out-of-order", "apply pending migrations that are older than applied ones")
    .option("--wait-timeout <seconds>", "how long to wait for another runner (default: 600)")
    .action(async (flags: MigrateFlags) => {
      exitCode = await (await import("./migrate.ts")).runMigrate(flags);
    });
  withDatabase(program.command("status"))
    .description("show each migration: state, time, duration, who")
    .option("--check", "exit with 3 when something is pending")
    .action(async (flags: StatusFlags) => {
      exitCode = await (await import("./status.ts")).runStatus(flags);
    });
  withOutput(program.command("generate"))
    .description("drizzle-kit generate, then tidemark.sum")
    .argument("[name]", "name of the migration")
    .option("--custom", "an empty file for SQL of your own")
    .action(async (name: string | undefined, flags: GenerateFlags) => {
      exitCode = await (await import("./generate.ts")).runGenerate(name, flags);
    });
  withFolder(program.command("sum"))
    .description("write tidemark.sum anew, after a change that is meant")
    .action(async (flags: CommonFlags) => {
      exitCode = await (await import("./sum.ts")).runSum(flags);
    });

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

// A reader that has seen enough (`tidemark status | head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

process.exitCode = await main(process.argv.slice(2));
