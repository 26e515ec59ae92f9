import type { errorJson } from "../../db/migrate/index.ts";

type ErrorJson = ReturnType<typeof errorJson>["error"];

/** Exit code of an error that nobody has foreseen. */
export const UNEXPECTED_EXIT_CODE = 1;

/** Errors of a server that cannot be used: they say what is so and what to do. */
const OF_A_SERVER: ReadonlySet<string> = new Set([
  "EmbeddedServerError",
  "CatalogError",
  "DatabaseError",
]);

function isOfAServer(error: unknown): error is Error {
  return error instanceof Error && OF_A_SERVER.has(error.name);
}

/** What is printed for an error that is no MigrateError; of a defect, with the stack. */
export function unexpectedText(error: unknown): string {
  if (isOfAServer(error)) return `error ${error.message}`;
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `unexpected error, which is a defect of tidemark: ${what}`;
}

/** The same with `--json`: the shape of any other error, with the code `internal` of a defect. */
export function unexpectedJson(error: unknown): {
  readonly error: Omit<ErrorJson, "code"> & { readonly code: "connect" | "internal" };
} {
  const words = isOfAServer(error)
    ? ({
        code: "connect",
        fact: error.message,
        remedy: "Look at what the server said, or name another one.",
      } as const)
    : ({
        code: "internal",
        fact: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
        remedy: "This is a defect of tidemark: report it, with the stack that stderr shows.",
      } as const);
  const nothing = { tag: null, applied: [], notRun: [], details: null };
  return { error: { ...words, exitCode: UNEXPECTED_EXIT_CODE, ...nothing } };
}
