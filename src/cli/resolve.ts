import { MigrateError } from "../db/migrate/index.ts";
import { PATIENCE_SECONDS, withMigrator } from "./support/command.ts";
import { withProgress } from "./support/progress.ts";
import type { CommonFlags } from "./support/settings.ts";

interface ResolveFlags extends CommonFlags {
  readonly done?: boolean;
  readonly retry?: boolean;
}

/** `tidemark resolve`: a person's answer to whether a statement in doubt was done. */
export function runResolve(tag: string, flags: ResolveFlags): Promise<number> {
  const patient = { ...flags, waitTimeout: flags.waitTimeout ?? PATIENCE_SECONDS };
  return withMigrator(patient, async ({ output, migrator, signal }) => {
    if (Boolean(flags.done) === Boolean(flags.retry)) throw oneAnswer();
    const answer = flags.done ? "done" : "retry";
    const report = await withProgress(output, (onProgress) =>
      migrator.resolve({ tag, answer, signal, onProgress }),
    );
    output.json(report);
    const { statement, statements, label } = report;
    const next = flags.done ? "continues after it" : "runs it again";
    output.print(
      `${tag}: the next run ${next} (statement ${statement} of ${statements}, ${label}).\nNext: tidemark migrate`,
    );
    return 0;
  });
}

function oneAnswer(): MigrateError {
  return new MigrateError({
    code: "usage",
    fact: "Neither or both of --done and --retry were given.",
    outcome: "nothing-written",
    remedy:
      "Give one: --done if the statement took effect, --retry if not. `tidemark status` names the statement.",
  });
}
