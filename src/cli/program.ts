import { Command } from "commander";
import { TOOL_VERSION } from "../db/migrate/index.ts";
import { addBackfill } from "./program-backfill.ts";
import { addDoctor, addPlan } from "./program-plan.ts";
import { addDrift, addFiles, addRebase, addVerify } from "./program-project.ts";
import {
  append,
  examples,
  type RunCommand,
  SCRATCH_URL,
  withDatabase,
  withFolder,
  withIfUrl,
  withTarget,
} from "./support/options.ts";

/** Command that prints a completion script. */
export const COMPLETION = "completion";

const EXIT_CODE_HELP = `
Exit codes: 0 success; 1 failed; 2 wrong usage, settings or files; 3 pending (status --check);
4 edited, out of order, drifted or not verified; 5 timed out waiting for another runner or a lock;
6 needs a person (resolve); 130/143 canceled.`;

/**
 * The commands with their options and help. A command's code is loaded when it runs.
 *
 * @param onEnd told the exit code of the command that ran
 */
export function createProgram(onEnd: (exitCode: number) => void): Command {
  const program = new Command("tidemark")
    .description("Runs Drizzle migrations on PostgreSQL: locked, fenced, resumable, recorded.")
    .version(TOOL_VERSION)
    .addHelpText("after", EXIT_CODE_HELP)
    .showHelpAfterError("Run with --help for the options.");
  const run: RunCommand =
    (load) =>
    async (...given) =>
      onEnd(await (await load())(...given));
  addInit(program, run);
  addMigrate(program, run);
  addPlan(program, run);
  addDoctor(program, run);
  addRollback(program, run);
  addReaders(program, run);
  addDrift(program, run);
  addAdopt(program, run);
  addMenders(program, run);
  addBackfill(program, run);
  addFiles(program, run);
  addRebase(program, run);
  addVerify(program, run);
  addCompletion(program);
  return program;
}

function addInit(program: Command, run: RunCommand): void {
  const init = withFolder(program.command("init"))
    .description(
      "make the database, its owner, the application's role, their rights and the ledger",
    )
    .option("--url <url>", "of the role that migrates (default: MIGRATION_DATABASE_URL)")
    .option(
      "--admin-url <url>",
      "of who may make roles and databases (default: ADMIN_DATABASE_URL)",
    )
    .option("--database <name>", "database (default: that of the role that migrates)")
    .option("--owner <role>", "owns what is migrated (default: the role that migrates)")
    .option("--app-role <role>", "the application's role (default: that of DATABASE_URL)")
    .option("--ledger-schema <name>", "schema of the ledger (default: tidemark)")
    .option("--embedded", "without a URL, on this folder's own development server")
    .option("--print", "print the SQL for psql; connect to nothing")
    .action(run(async () => (await import("./init.ts")).runInit));
  examples(
    init,
    "tidemark init --print --database shop --owner shop_owner --app-role shop_app",
    "tidemark init --print > init.sql   # for a DBA",
    "tidemark init --admin-url postgres://postgres@db.example.com/postgres",
  );
}

function addMigrate(program: Command, run: RunCommand): void {
  const migrate = withIfUrl(withDatabase(program.command("migrate")))
    .description("apply what is pending")
    .option("--to <tag>", "stop after this migration")
    .option("--dry-run", "show the plan, as `tidemark plan` does; run nothing")
    .option("--allow-out-of-order", "apply pending migrations that are older than applied ones")
    .option("--allow-existing", "allow the first run on a database that is not empty")
    .option("--allow-older", "also run repeatables whose text a newer release has replaced")
    .option("--no-mirror", "stop writing drizzle's own table as well (there is no way back then)")
    .option("--record-row-values", "keep row values of violated constraints in errors and the log")
    .option("--wait-timeout <seconds>", "how long to wait for another runner (default: 600)")
    .option(
      "--lock-timeout <seconds>",
      "how long each try of a migration waits for a lock (default: 5)",
    )
    .option("--lock-tries <count>", "how often a migration tries to get its locks (default: 10)")
    .option("--lock-budget <seconds>", "limit for all of its tries together (default: none)")
    .option("--step-timeout <seconds>", "limit for a code step that sets none (default: 600)")
    .option(
      "--deadline <seconds>",
      "limit for the whole run, including concurrent index builds (default: none)",
    )
    .action(run(async () => (await import("./migrate.ts")).runMigrate));
  examples(
    migrate,
    "tidemark migrate",
    "tidemark migrate --dry-run",
    "tidemark migrate --to 0003_add_orgs --json",
    "tidemark migrate --if-url && next build   # a build step without a database too",
    "tidemark migrate --lock-timeout 1 --lock-tries 30   # on a busy database",
  );
}

function addRollback(program: Command, run: RunCommand): void {
  const rollback = withDatabase(program.command("rollback"))
    .description("take migrations back by their down files, newest first")
    .option("--steps <count>", "how many, or `all` (default: 1)")
    .option("--to <tag>", "take back what came after this migration")
    .option("--dry-run", "show the statements and the rows that would go; run nothing")
    .option("--yes", "do not ask")
    .option("--allow-data-loss", "also where rows would go")
    .option("--database <name>", "the database that is meant, where rows would go")
    .option("--wait-timeout <seconds>", "how long to wait for another runner (default: 600)")
    .option("--lock-timeout <seconds>", "how long each try waits for a lock (default: 5)")
    .option("--lock-tries <count>", "how often a migration tries to get its locks (default: 10)")
    .option("--lock-budget <seconds>", "limit for all of its tries together (default: none)")
    .option("--deadline <seconds>", "limit for the whole run (default: none)")
    .option("--record-row-values", "keep row values of violated constraints in errors and the log")
    .action(run(async () => (await import("./rollback.ts")).runRollback));
  examples(
    rollback,
    "tidemark rollback --dry-run",
    "tidemark rollback --to 0003_add_orgs --yes",
    "tidemark rollback --steps 2 --yes --allow-data-loss --database shop",
  );
}

function addReaders(program: Command, run: RunCommand): void {
  const status = withIfUrl(withDatabase(program.command("status")))
    .description(
      "show the last ten migrations, and each that is not done: state, time, duration, who",
    )
    .option("--all", "show every migration")
    .option("--check", "exit with 3 when something is pending")
    .action(run(async () => (await import("./status.ts")).runStatus));
  examples(
    status,
    "tidemark status",
    "tidemark status --check",
    "tidemark status --json | jq .pending",
  );

  const events = withDatabase(program.command("events"))
    .description("print the log: what was started, done or failed, when and by whom")
    .option("--tag <tag>", "of this migration only")
    .option("--follow", "keep printing new events; with --json, one per line")
    .action(run(async () => (await import("./events.ts")).runEvents));
  examples(
    events,
    "tidemark events",
    "tidemark events --tag 0003_add_orgs",
    "tidemark events --follow",
  );

  const wait = withIfUrl(withTarget(program.command("wait")))
    .description("wait until another process has migrated the database; write nothing")
    .option("--timeout <seconds>", "how long, including for the server (default: 600)")
    .action(run(async () => (await import("./wait.ts")).runWait));
  examples(wait, "tidemark wait --timeout 300 && node app.js");
}

function addAdopt(program: Command, run: RunCommand): void {
  const adopt = withDatabase(program.command("adopt"))
    .description("take over a database with a past: record what is applied there, run nothing")
    .option("--dry-run", "show drizzle's rows and what would be recorded; write nothing")
    .option("--accept-edited", "take files as applied that were edited since")
    .option(
      "--accept-marked",
      "take migrations as applied that a row names by its tag, as scripts write it",
    )
    .option("--mark-applied <tag>", "take this migration as applied (repeatable)", append)
    .option(
      "--forget <row>",
      "leave this row of drizzle's table out of account, or all that are `unknown` or `duplicate` (repeatable)",
      append,
    )
    .option(
      "--baseline [tag]",
      "without drizzle's table (`push`, a dump): find the migration that leads to this database, and prove it",
    )
    .option("--verify", "replay what would be recorded, and compare it with the database first")
    .option(
      "--ignore <pattern>",
      "of --baseline and --verify: objects that may differ; * matches any characters (repeatable)",
      append,
    )
    .option("--accept-differences", "of --baseline and --verify: record it all the same")
    .option(...SCRATCH_URL)
    .option("--no-mirror", "stop writing drizzle's own table as well (there is no way back then)")
    .option("--wait-timeout <seconds>", "how long to wait for another runner (default: 10)")
    .action(run(async () => (await import("./adopt.ts")).runAdopt));
  examples(
    adopt,
    "tidemark adopt --dry-run",
    "tidemark adopt --accept-edited --forget 7 --verify",
    "tidemark adopt --baseline --dry-run",
    "tidemark adopt --mark-applied 0003_add_orgs",
  );
}

function addMenders(program: Command, run: RunCommand): void {
  const repair = withDatabase(program.command("repair"))
    .description("reset FAILED and STUCK migrations to PENDING where that is safe")
    .option("--wait-timeout <seconds>", "how long to wait for another runner (default: 10)")
    .action(run(async () => (await import("./repair.ts")).runRepair));
  examples(repair, "tidemark repair && tidemark migrate");

  const resolve = withDatabase(program.command("resolve"))
    .description("answer whether a statement in doubt was done (exit code 6)")
    .argument("<tag>", "migration")
    .option("--done", "it was done: the next run continues after it")
    .option("--retry", "it was not done: the next run runs it again")
    .option("--wait-timeout <seconds>", "how long to wait for another runner (default: 10)")
    .action(run(async () => (await import("./resolve.ts")).runResolve));
  examples(resolve, "tidemark resolve 0007_refill --done && tidemark migrate");
}

function addCompletion(program: Command): void {
  const completion = program
    .command(COMPLETION)
    .description("print a completion script for a shell")
    .argument("<shell>", "bash, zsh, fish or powershell");
  examples(completion, "source <(tidemark completion bash)", "tidemark completion fish | source");
}
