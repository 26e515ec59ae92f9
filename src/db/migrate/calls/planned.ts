import type { PlannedSegment, PlannedStep } from "../reports.ts";
import { maskSecrets } from "../sql/secrets.ts";
import type { ParsedStep } from "../sql/segments.ts";

/** What a step would run, as it is shown: without secrets. */
export function plannedStep({
  migration,
  statements,
  segments,
  resumeAt,
  total,
}: ParsedStep): PlannedStep {
  const shown = statements.slice(resumeAt).map(({ text }) => maskSecrets(text));
  return {
    tag: migration.tag,
    file: migration.file,
    statements: shown.map(({ text }) => text),
    resumeAt,
    outside: segments.flatMap((segment) =>
      segment.kind === "outside" ? [segment.placed.index + 1] : [],
    ),
    segments: segments.flatMap((segment): PlannedSegment | [] =>
      segment.kind === "code"
        ? []
        : {
            kind: segment.kind,
            statements: (segment.kind === "outside" ? [segment.placed] : segment.statements).map(
              ({ index }) => index + 1,
            ),
          },
    ),
    code: migration.code === undefined ? null : { file: migration.code.file, statement: total },
    masked: shown.flatMap(({ secrets }, i) => (secrets.length > 0 ? [resumeAt + i + 1] : [])),
  };
}
