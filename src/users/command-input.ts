import { z } from "zod";
import { DomainError, type FieldProblem } from "./domain-error.ts";
import * as fields from "./user-fields.ts";

const { username, email, phone, password, profile, machine, givenId, orgName, domain } = fields;

/** What each command on a user takes besides the user: also what HTTP takes. */
export const userInputs = {
  addHuman: profile.extend({
    id: givenId.optional(),
    /** The organisation that owns it. */
    org: givenId,
    username,
    email,
    isEmailVerified: z.boolean().optional(),
    phone: phone.optional(),
    password: password.optional(),
  }),
  addMachine: machine.extend({ id: givenId.optional(), org: givenId, username }),
  changeUsername: z.object({ username }),
  changeProfile: profile,
  changeEmail: z.object({ email, isVerified: z.boolean().optional() }),
  changePhone: z.object({ phone, isVerified: z.boolean().optional() }),
  changePassword: z.object({ password }),
  changeMachine: machine,
  setSecret: z.object({ secret: fields.secret }),
};

export const orgInputs = {
  add: z.object({ id: givenId.optional(), name: orgName, domain: domain.optional() }),
  rename: z.object({ name: orgName }),
  setPrimaryDomain: z.object({ domain }),
};

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
export function invalidInput(
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
