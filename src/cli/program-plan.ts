import type { Command } from "commander";
import { examples, type RunCommand, withDatabase, withIfUrl } from "./support/options.ts";

export function addPlan(program: Command, run: RunCommand): void {
  const plan = withIfUrl(withDatabase(program.command("plan")))
    .description("show what migrate would run, lock and wait for")
    .option("--to <tag>", "stop after this migration")
    .option("--allow-out-of-order", "also pending migrations that are older than applied ones")
    .option("--allow-existing", "also on a database that is not empty")
    .option("--allow-older", "with repeatables whose text a newer release has replaced")
    .option("--sql", "print a script for psql instead, which does not write the ledger")
    .option("--sample <seconds>", "how long to count the tables' writes (default: 1)")
    .action(run(async () => (await import("./plan.ts")).runPlan));
  examples(
    plan,
    "tidemark plan",
    "tidemark plan --to 0003_add_orgs --sample 10",
    "tidemark plan --sql > next.sql",
    "tidemark plan --json | jq '.steps[].forecast[].locks[] | select(.work == \"rewrite\")'",
  );
}

export function addDoctor(program: Command, run: RunCommand): void {
  const doctor = withDatabase(program.command("doctor"))
    .description(
      "look at what a run would meet: server, role, connections, locks, ledger; reads only",
    )
    .action(run(async () => (await import("./doctor.ts")).runDoctor));
  examples(
    doctor,
    "tidemark doctor",
    "tidemark doctor --json | jq '.findings[] | select(.level != \"ok\")'",
  );
}
