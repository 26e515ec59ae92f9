import type { Command } from "commander";
import {
  append,
  examples,
  type RunCommand,
  SCRATCH_URL,
  withDatabase,
  withFolder,
  withOutput,
  withScratch,
  withScratchServer,
} from "./support/options.ts";

export function addFiles(program: Command, run: RunCommand): void {
  const generate = withScratchServer(withOutput(program.command("generate")))
    .description("generate the next migration with drizzle-kit, check it, and verify its down file")
    .argument("[name]", "name of the migration")
    .option("--custom", "an empty file for your own SQL")
    .option("--rename <table.old=new>", "a column was renamed (repeatable)", append)
    .option(
      "--rename-table <old=new>",
      "a table was renamed, or moved to another schema (repeatable)",
      append,
    )
    .option("--rename-schema <old=new>", "a schema was renamed (repeatable)", append)
    .option("--rename-enum <old=new>", "an enum was renamed or moved (repeatable)", append)
    .option("--rename-sequence <old=new>", "a sequence was renamed or moved (repeatable)", append)
    .option("--rename-view <old=new>", "a view was renamed or moved (repeatable)", append)
    .option("--rename-policy <table.old=new>", "a policy was renamed (repeatable)", append)
    .option("--rename-role <old=new>", "a role was renamed (repeatable)", append)
    .option("--no-renames", "treat every other change as drop and create (data is lost)")
    .option("--no-down", "write no down file")
    .action(run(async () => (await import("./generate.ts")).runGenerate));
  examples(
    generate,
    "tidemark generate add_orgs",
    "tidemark generate full_name --rename users.name=full_name",
    "tidemark generate people --rename-table users=people --no-renames",
    "tidemark generate fill_orgs --custom",
  );

  const down = withScratch(program.command("down-file"))
    .description("generate rollback files, each verified on a scratch database")
    .argument("[tags...]", "migrations")
    .option("--missing", "for each migration that has none")
    .option("--force", "replace files that were written or edited by hand")
    .action(run(async () => (await import("./down-file.ts")).runDownFile));
  examples(down, "tidemark down-file 0003_add_orgs", "tidemark down-file --missing");

  const step = withScratch(program.command("step"))
    .description("write the code step of a migration, with the schema that it sees")
    .argument("<migration>", "its tag, or the name in it")
    .action(run(async () => (await import("./step.ts")).runStep));
  examples(
    step,
    "tidemark step fill_orgs",
    "tidemark generate fill_orgs --custom && tidemark step fill_orgs",
  );

  const build = withFolder(program.command("build-steps"))
    .description("copy the migrations folder with its code steps compiled, for an image")
    .option("--out <folder>", "where to (default: dist/drizzle)")
    .action(run(async () => (await import("./step.ts")).runBuildSteps));
  examples(build, "tidemark build-steps --out dist/drizzle");

  const sum = withFolder(program.command("sum"))
    .description("rewrite tidemark.sum after an intended change")
    .action(run(async () => (await import("./sum.ts")).runSum));
  examples(sum, "tidemark sum");
}

export function addVerify(program: Command, run: RunCommand): void {
  const verify = withScratch(program.command("verify"))
    .description("the CI gate: schema, files, order, replay, down files (exit code 4)")
    .option("--base <ref>", "branch whose migrations may already be applied, e.g. origin/main")
    .option("--format <format>", "`github` prints annotations too (default: text)")
    .action(run(async () => (await import("./verify.ts")).runVerify));
  examples(
    verify,
    "tidemark verify",
    "tidemark verify --base origin/main --format github",
    "tidemark verify --json | jq '.checks[] | select(.status != \"passed\")'",
  );
}

export function addRebase(program: Command, run: RunCommand): void {
  const rebase = withDatabase(program.command("rebase"))
    .description("after a merge: move this branch's own migrations behind those of its base")
    .option("--base <ref>", "branch whose migrations come first, e.g. origin/main")
    .option("--dry-run", "try it, and show what would be written; write nothing")
    .option(...SCRATCH_URL)
    .action(run(async () => (await import("./rebase.ts")).runRebase));
  examples(
    rebase,
    "tidemark rebase --base origin/main --dry-run",
    "git merge origin/main; tidemark rebase --base origin/main",
    "tidemark rebase --base main --json | jq '.moved[] | [.from, .to]'",
  );
}

export function addDrift(program: Command, run: RunCommand): void {
  const drift = withDatabase(program.command("drift"))
    .description(
      "compare the database with what its applied migrations make; exit with 4 if it differs",
    )
    .option(
      "--ignore <pattern>",
      "objects that may differ; * matches any characters (repeatable)",
      append,
    )
    .option(...SCRATCH_URL)
    .action(run(async () => (await import("./drift.ts")).runDrift));
  examples(
    drift,
    "tidemark drift",
    "tidemark drift --ignore 'audit.*' --ignore 'index:public.*_tmp'",
    "tidemark drift --json | jq -r '.differences[].name'",
    "tidemark drift --scratch-url postgres://postgres@localhost:5432/postgres",
  );
}
