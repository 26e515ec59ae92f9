import { Problem } from "../../db/base/problem.ts";
import type { errorJson } from "../../db/migrate/index.ts";

type ErrorJson = ReturnType<typeof errorJson>["error"];

/** Exit code of an error that nobody has foreseen. */
export const UNEXPECTED_EXIT_CODE = 1;

/** What is printed for an error that is no MigrateError; of a defect, with the stack. */
export function unexpectedText(error: unknown): string {
  if (error instanceof Problem) return `error ${error.message}`;
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `unexpected error, which is a defect of tidemark: ${what}`;
}

/** The same with `--json`: the shape of any other error, with the code `internal` of a defect. */
export function unexpectedJson(error: unknown): {
  readonly error: Omit<ErrorJson, "code"> & { readonly code: "connect" | "internal" };
} {
  const words =
    error instanceof Problem
      ? ({
          code: "connect",
          fact: error.fact,
          outcome: error.outcome ?? null,
          remedy: error.remedy || "Look at what the server said, or name another one.",
        } as const)
      : ({
          code: "internal",
          outcome: null,
          fact: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
          remedy: "This is a defect of tidemark: report it, with the stack that stderr shows.",
        } as const);
  const nothing = { place: null, tag: null, applied: [], notRun: [], details: null };
  return { error: { ...words, exitCode: UNEXPECTED_EXIT_CODE, ...nothing } };
}
