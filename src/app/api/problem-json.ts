import type { ContentfulStatusCode } from "hono/utils/http-status";
import { errorCode } from "../../db/base/problem.ts";
import { DatabaseError } from "../../db/pool/index.ts";
import { DomainError, type DomainErrorCode } from "../../domain/index.ts";
import { ConcurrencyConflict, EventStoreError, UniqueViolation } from "../../eventstore/index.ts";

/** RFC 9457: what a refused request is answered with. `code` is what programs look at. */
export interface ProblemJson {
  readonly type: string;
  readonly title: string;
  readonly status: ContentfulStatusCode;
  readonly code: string;
  readonly detail?: string;
  readonly [extension: string]: unknown;
}

/** A request that is refused before it reaches a command. */
export class Refusal extends Error {
  readonly status: ContentfulStatusCode;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: ContentfulStatusCode,
    code: string,
    detail: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.name = "Refusal";
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

const STATUS: Readonly<Record<DomainErrorCode, ContentfulStatusCode>> = {
  not_found: 404,
  already_exists: 409,
  invalid_state: 409,
  precondition: 409,
  validation: 422,
};

const TITLES: Readonly<Record<string, string>> = {
  not_found: "Not found",
  already_exists: "The id is taken",
  invalid_state: "Not possible in this state",
  precondition: "Something else comes first",
  validation: "The input is not valid",
  concurrency_conflict: "Changed by somebody else",
  unique_violation: "The value is taken",
  idempotency_mismatch: "The key was used for another request",
  commit_in_doubt: "It is not known whether this was done",
  unavailable: "The database is not available",
  internal: "Unexpected error",
};

/** What to answer. Undefined where the error is a defect: its text is nobody's business. */
export function problemOf(error: unknown): ProblemJson | undefined {
  if (error instanceof Refusal) return problem(error.status, error.code, error.message);
  if (error instanceof DomainError) {
    const { code, fact, fields } = error;
    return problem(STATUS[code], code, fact, code === "validation" ? { fields } : {});
  }
  if (error instanceof ConcurrencyConflict) {
    const { expected, actual, fact } = error;
    return problem(409, error.code, fact, { expected, actual });
  }
  if (error instanceof UniqueViolation) {
    const { uniqueType: field, value, fact } = error;
    return problem(409, error.code, fact, { field, value });
  }
  if (error instanceof EventStoreError) {
    if (error.code === "idempotency_mismatch") return problem(422, error.code, error.fact);
    if (error.code !== "commit_in_doubt") return undefined;
    const detail = "Repeat it with the same Idempotency-Key: it is done once.";
    return problem(503, error.code, detail);
  }
  if (isUnstorable(error)) {
    const detail = "A text holds a character that cannot be stored.";
    return problem(422, "validation", detail, { fields: [] });
  }
  return isUnavailable(error) ? problem(503, "unavailable", "Try again in a moment.") : undefined;
}

/** Of the answer to a page that failed: 503 where the database is away. */
export function statusOf(error: unknown): ContentfulStatusCode {
  return problemOf(error)?.status ?? 500;
}

export const INTERNAL: ProblemJson = problem(500, "internal", "It was logged.");

function problem(
  status: ContentfulStatusCode,
  code: string,
  detail: string,
  more: Readonly<Record<string, unknown>> = {},
): ProblemJson {
  const title = TITLES[code] ?? code.replaceAll("_", " ");
  return { type: `urn:tidemark:problem:${code}`, title, status, code, detail, ...more };
}

/** NUL, or half of a character, in a path or a query. */
function isUnstorable(error: unknown): boolean {
  for (let found = error; found instanceof Error; found = found.cause) {
    if (/^(22021|22P05)$/.test(errorCode(found) ?? "")) return true;
  }
  return false;
}

/** Connection lost, no connection free, server shutting down, out of resources, a deadlock. */
function isUnavailable(error: unknown): boolean {
  for (let found = error; found instanceof Error; found = found.cause) {
    if (found instanceof DatabaseError) return true;
    if (/^(08|53|57)|^(40001|40P01|55P03)$/.test(errorCode(found) ?? "")) return true;
  }
  return false;
}
