import type { Course } from "./course.ts";
import { endPasses } from "./store.ts";

/** One more goes over the rows again, for those that came behind the first one's back. */
const PASSES = 2;
const COUNTED = new Set(["smallint", "integer", "bigint"]);

/**
 * New rows of a counted key come after the cursor; others may have come before it. Without a condition, a second
 * pass would fill the same rows twice.
 */
export function needsAnotherPass({ run: { definition, target }, row }: Course): boolean {
  const [only, ...more] = target.key;
  const isCounted = more.length === 0 && COUNTED.has(only?.type ?? "");
  return definition.where !== undefined && !isCounted && row.pass < PASSES;
}

/** What a batch of these rows does about the pass after it: where the condition still holds, there is to be none. */
export function noPassOver(course: Course, rows: string): readonly string[] {
  const { schema, tag, target, definition } = course.run;
  if (!needsAnotherPass(course)) return [];
  const meant = `${rows} and (${definition.where}\n)`;
  return [endPasses(schema, tag, { table: target.name, rows: meant, last: PASSES })];
}
