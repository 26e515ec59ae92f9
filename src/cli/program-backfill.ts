import type { Command } from "commander";
import { examples, type RunCommand, withDatabase } from "./support/options.ts";

export function addBackfill(program: Command, run: RunCommand): void {
  const backfill = withDatabase(program.command("backfill"))
    .description("list backfills, run those of the background, pause, resume or cancel one")
    .argument("[action]", "list, run, pause, resume or cancel (default: list)")
    .argument("[tag]", "migration; of run: all that wait for a worker without it")
    .option("--watch", "of run: keep waiting for more, until it is stopped")
    .action(run(async () => (await import("./backfill.ts")).runBackfill));
  examples(
    backfill,
    "tidemark backfill",
    "tidemark backfill run --watch   # a worker",
    "tidemark backfill pause 0012_fill",
    "tidemark backfill resume 0012_fill",
  );
}
