import { Problem } from "../db/base/problem.ts";

export type ProjectionErrorCode =
  /** A definition or call that makes no sense. */
  | "usage"
  /** The projection has stopped: one aggregate after the other failed. */
  | "halted"
  /** The position was not reached in time. */
  | "wait_timeout"
  /** Another process holds what this call needs. */
  | "busy"
  /** A reactor took longer than its bound. */
  | "react_timeout"
  /** An error of one of its statements was ignored by the handler. */
  | "ignored_error"
  /** Something on the tables that a rebuild would lose. */
  | "not_rebuildable"
  /** During a rebuild the handler named the live tables. */
  | "live_table"
  /** An aggregate failed while the tables were rebuilt. */
  | "rebuild_failed";

/** What the projections refuse. Errors of the SQL and the connection are the pool's. */
export class ProjectionError extends Problem<ProjectionErrorCode> {
  override readonly name = "ProjectionError";
}

export function usage(fact: string, remedy: string): ProjectionError {
  return new ProjectionError({ code: "usage", fact, outcome: "nothing-run", remedy });
}
