import { Command, CommanderError } from "commander";
import { Problem } from "../db/base/problem.ts";
import { DatabasePool } from "../db/pool/index.ts";
import { type RetryFilter, rebuild, retry, status } from "./projection-commands.ts";
import type { DatabaseAddress } from "./start.ts";
import { runWork, type WorkSettings } from "./work-command.ts";

export interface CommandOptions {
  readonly args: readonly string[];
  readonly openDatabase: () => Promise<DatabaseAddress>;
  /** Ends a rebuild, which can be resumed. */
  readonly signal: AbortSignal;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly work: WorkSettings;
}

const FAILED = 1;
const USAGE = 2;

/**
 * Runs a command of the application, `tidemark-app`.
 *
 * @returns the exit code: 0 done, 1 failed or not all released, 2 not understood
 */
export async function runCommand({
  args,
  openDatabase,
  signal,
  out,
  err,
  work,
}: CommandOptions): Promise<number> {
  let exitCode = 0;
  const onDatabase =
    <Rest extends unknown[]>(
      role: "application" | "owner",
      work: (pool: DatabasePool, ...rest: Rest) => Promise<number>,
    ) =>
    async (...rest: Rest) => {
      const { url, migrationUrl, release } = await openDatabase();
      const pool = new DatabasePool({ url: role === "owner" ? migrationUrl : url, max: 4 });
      try {
        exitCode = await work(pool, ...rest);
      } finally {
        await pool.close();
        await release();
      }
    };
  const program = new Command("tidemark-app")
    .description("The application; without a command it serves.")
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: err });
  const group = program.command("projections").description("what follows from the events");
  group
    .command("status")
    .description("how far each one is, and which aggregates it holds back")
    .option("--json", "for programs")
    .action(
      onDatabase("application", (pool, options: { json?: boolean }) => status(pool, options, out)),
    );
  group
    .command("retry <name>")
    .description("handle again what a projection holds back; exit with 1 if some stays so")
    .option("--instance <id>", "only of this instance")
    .option("--id <id>", "only the aggregate with this id")
    .action(
      onDatabase("application", (pool, name: string, options: RetryFilter) =>
        retry(pool, name, options, out),
      ),
    );
  group
    .command("rebuild <name>")
    .description(
      "build the tables anew beside the live ones and swap them; resumes an interrupted one",
    )
    .option("--abandon", "give up an interrupted rebuild instead")
    .action(
      onDatabase("owner", (pool, name: string, options: { abandon?: boolean }) =>
        rebuild(pool, name, options, { out, err, signal }),
      ),
    );
  program
    .command("work")
    .description("run backfills of the background, as the owner, until it is stopped")
    .action(async () => {
      const { migrationUrl, release } = await openDatabase();
      try {
        exitCode = await runWork(migrationUrl, work, signal);
      } finally {
        await release();
      }
    });
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    if (signal.aborted) err("Interrupted. The same command goes on where it was.\n");
    if (signal.aborted) return FAILED;
    if (!(error instanceof Problem)) throw error;
    err(`error (${error.code}) ${error.message}\n`);
    return error.code === "usage" ? USAGE : FAILED;
  }
}
