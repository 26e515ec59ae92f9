import type { z } from "zod";
import { DomainError, type FieldProblem } from "./domain-error.ts";

/**
 * The input, checked and normalised.
 *
 * @throws DomainError `validation` with every mistake
 */
export function checkInput<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
): z.output<Schema> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw invalidInput(result.error.issues);
}

/** The refusal of an input with these mistakes. The values are not in it: one may be a password. */
function invalidInput(
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): DomainError {
  const problems: FieldProblem[] = issues.map(({ path, message }) => ({
    path: path.map(String).join("."),
    message,
  }));
  const list = problems.map(({ path, message }) => (path ? `${path}: ${message}` : message));
  return new DomainError({
    code: "validation",
    fact: `The input is not valid: ${list.join("; ")}.`,
    remedy: "Correct these fields.",
    fields: problems,
  });
}
