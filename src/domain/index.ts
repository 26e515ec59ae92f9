export { type Call, type Done, doneOf, executeOptions } from "./call.ts";
export { checkInput } from "./check-input.ts";
export { DomainError, type DomainErrorCode, notFound } from "./domain-error.ts";
export { newId } from "./new-id.ts";
