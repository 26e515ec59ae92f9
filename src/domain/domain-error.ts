import { Problem } from "../db/base/problem.ts";

/**
 * Why a command was refused:
 * - `not_found`: there is no such thing, or it was removed;
 * - `already_exists`: the id is taken, by one that was removed too (a taken *name* is the store's `unique_violation`);
 * - `invalid_state`: not in the state that it is in;
 * - `precondition`: something else must be done first;
 * - `validation`: the input itself is wrong; `fields` says where.
 */
export type DomainErrorCode =
  | "not_found"
  | "already_exists"
  | "invalid_state"
  | "precondition"
  | "validation";

/** One mistake of an input: the path to it (`person.email`), and what is wrong there. */
export interface FieldProblem {
  readonly path: string;
  readonly message: string;
}

/** A refused command. Nothing was written. */
export class DomainError extends Problem<DomainErrorCode> {
  /** Of `validation`; else empty. */
  readonly fields: readonly FieldProblem[];

  constructor(parts: {
    readonly code: DomainErrorCode;
    readonly fact: string;
    readonly remedy: string;
    readonly fields?: readonly FieldProblem[];
  }) {
    super({ ...parts, outcome: "nothing-written" });
    this.name = "DomainError";
    this.fields = parts.fields ?? [];
  }
}

/** There is no such thing (`user`, `organisation`), or no longer. */
export function notFound(what: string, id?: string): DomainError {
  const named = id === undefined ? `The ${what}` : `The ${what} ${id}`;
  return new DomainError({
    code: "not_found",
    fact: `${named} does not exist, or was removed.`,
    remedy: "Check the id and the instance.",
  });
}
