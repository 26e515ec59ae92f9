import type { ParsedStep, Segment } from "../sql/segments.ts";

/** A segment of a migration that is to run, with its place in the run. */
export interface Part {
  readonly step: ParsedStep;
  /** Among the run's migrations, from 0. */
  readonly stepIndex: number;
  readonly segment: Segment;
  /** The first that is left of its migration. */
  readonly isFirst: boolean;
  /** Its end is the migration's. */
  readonly isLast: boolean;
  /** The migration after this one; undefined where there is none, or where this one goes on. */
  readonly following: ParsedStep | undefined;
}

/** All that a run does, in order. */
export function partsOf(steps: readonly ParsedStep[]): readonly Part[] {
  return steps.flatMap((step, stepIndex) =>
    step.segments.map((segment, i, all): Part => {
      const isLast = i === all.length - 1;
      const following = isLast ? steps[stepIndex + 1] : undefined;
      return { step, stepIndex, segment, isFirst: i === 0, isLast, following };
    }),
  );
}
