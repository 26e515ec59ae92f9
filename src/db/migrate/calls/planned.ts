import type { LoadedCode } from "../code/load-code.ts";
import { type Plan, passedOverWarnings } from "../plan/plan.ts";
import { olderWarnings } from "../plan/repeatable-plan.ts";
import type { PlannedRepeatable } from "../repeatable-types.ts";
import { parseRepeatables } from "../repeatables/parse-repeatables.ts";
import type { PlannedCode, PlannedSegment, PlannedStep, StatusReport } from "../reports.ts";
import { maskSecrets } from "../sql/secrets.ts";
import type { ParsedStep } from "../sql/segments.ts";
import type { History, Tag, Warning } from "../types.ts";

/** What is unusual about a plan. */
export function warningsOf(plan: Plan): readonly Warning[] {
  return [...passedOverWarnings(plan), ...olderWarnings(plan.repeatables, plan.newer)];
}

/** The repeatables that a run would run, in its order; without secrets. */
export async function plannedRepeatables(
  history: History,
  { repeatables: { runs } }: Plan,
): Promise<readonly PlannedRepeatable[]> {
  if (runs.length === 0) return [];
  const reasons = new Map(runs.map(({ repeatable, why }) => [repeatable.tag, why]));
  const all = await parseRepeatables(history.repeatables ?? []);
  return all.flatMap(({ tag, file, statements }) => {
    const why = reasons.get(tag);
    if (why === undefined) return [];
    const shown = statements.map(({ text }) => maskSecrets(text));
    return {
      ...{ tag, file, why, statements: shown.map(({ text }) => text) },
      masked: shown.flatMap(({ secrets }, i) => (secrets.length > 0 ? [i + 1] : [])),
    };
  });
}

/** What a migration's code is. */
export function describedCode({ file: { file }, definition }: LoadedCode): PlannedCode {
  if (definition.kind === "step") return { file, kind: "step", table: null, background: false };
  const { table, background = false } = definition.backfill;
  return { file, kind: "backfill", table, background };
}

/** The files of code of pending migrations. Not loaded: who looks at a status runs nothing of them. */
export function pendingCode(
  { migrations }: History,
  pending: ReadonlySet<Tag>,
): Pick<StatusReport, "pendingCode"> {
  const found = migrations.flatMap(({ tag, code }) =>
    code !== undefined && pending.has(tag) ? [{ tag, file: code.file }] : [],
  );
  return found.length === 0 ? {} : { pendingCode: found };
}

/** What a step would run, as it is shown: without secrets. */
export function plannedStep({
  migration,
  statements,
  segments,
  resumeAt,
  total,
}: ParsedStep): PlannedStep {
  const code = segments.find((segment) => segment.kind === "code")?.code;
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
    code: code === undefined ? null : { ...describedCode(code), statement: total },
    masked: shown.flatMap(({ secrets }, i) => (secrets.length > 0 ? [resumeAt + i + 1] : [])),
  };
}
