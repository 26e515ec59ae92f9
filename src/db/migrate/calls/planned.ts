import type { PlannedStep } from "../reports.ts";
import { maskSecrets } from "../sql/secrets.ts";
import type { ParsedStep } from "../sql/segments.ts";

/** What a step would run, as it is shown: without secrets. */
export function plannedStep({
  migration,
  statements,
  segments,
  resumeAt,
}: ParsedStep): PlannedStep {
  return {
    tag: migration.tag,
    file: migration.file,
    statements: statements.slice(resumeAt).map(({ text }) => maskSecrets(text).text),
    resumeAt,
    outside: segments.flatMap((segment) =>
      segment.kind === "outside" ? [segment.placed.index + 1] : [],
    ),
  };
}
