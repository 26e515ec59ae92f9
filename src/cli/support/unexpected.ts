import { Problem } from "../../db/base/problem.ts";
import type { errorJson } from "../../db/migrate/index.ts";

type ErrorJson = ReturnType<typeof errorJson>["error"];

/** Exit code of an unexpected error. */
export const UNEXPECTED_EXIT_CODE = 1;

/** What is printed for an error other than a MigrateError; for a defect, with the stack. */
export function unexpectedText(error: unknown): string {
  if (error instanceof Problem) return `error ${error.message}`;
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `unexpected error, a bug in tidemark: ${what}`;
}

/** The same with `--json`: shaped like any other error; a defect has the code `internal`. */
export function unexpectedJson(error: unknown): {
  readonly error: Omit<ErrorJson, "code"> & { readonly code: "connect" | "internal" };
} {
  const words =
    error instanceof Problem
      ? ({
          code: "connect",
          fact: error.fact,
          outcome: error.outcome ?? null,
          remedy: error.remedy || "Check the server's message, or use another server.",
        } as const)
      : ({
          code: "internal",
          outcome: null,
          fact: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
          remedy: "This is a bug in tidemark: please report it with the stack on stderr.",
        } as const);
  const nothing = { place: null, tag: null, applied: [], notRun: [], details: null };
  return { error: { ...words, exitCode: UNEXPECTED_EXIT_CODE, ...nothing } };
}
