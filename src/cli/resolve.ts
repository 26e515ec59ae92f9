import { MigrateError, type ResolveReport } from "../db/migrate/index.ts";
import { PATIENCE_SECONDS, withMigrator } from "./support/command.ts";
import { showProgress } from "./support/progress.ts";
import type { CommonFlags } from "./support/settings.ts";

export interface ResolveFlags extends CommonFlags {
  readonly done?: boolean;
  readonly retry?: boolean;
}

/** `tidemark resolve`: a person's answer to whether a statement in doubt was done. */
export function runResolve(tag: string, flags: ResolveFlags): Promise<number> {
  const patient = { ...flags, waitTimeout: flags.waitTimeout ?? PATIENCE_SECONDS };
  return withMigrator(patient, async ({ output, migrator, signal }) => {
    if (Boolean(flags.done) === Boolean(flags.retry)) throw oneAnswer();
    const progress = await showProgress(output);
    const { onProgress } = progress;
    const answer = flags.done ? "done" : "retry";
    let report: ResolveReport;
    try {
      report = await migrator.resolve({ tag, answer, signal, onProgress });
    } finally {
      progress.stop();
    }
    output.json(report);
    const { statement, statements, label } = report;
    const next = flags.done ? "goes on behind it" : "runs it again";
    output.print(
      `${tag}: the next run ${next} (statement ${statement} of ${statements}, ${label}).\nNext: tidemark migrate`,
    );
    return 0;
  });
}

function oneAnswer(): MigrateError {
  return new MigrateError({
    code: "usage",
    fact: "Whether the statement was done is for you to say: either --done or --retry.",
    outcome: "nothing-written",
    remedy: "`tidemark status` names the statement.",
  });
}
