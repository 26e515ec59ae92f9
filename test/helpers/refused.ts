import { Problem } from "../../src/db/base/problem.ts";

/** What a call gives, or the error of ours that it throws; another one is thrown. */
export function refusedOr<T>(call: () => T): T | Problem {
  try {
    return call();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}
