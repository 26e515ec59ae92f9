import { Problem, type ProblemParts } from "../base/problem.ts";

/** What went wrong with the connection or the pool. An error in the SQL stays a `PostgresError`. */
export type DatabaseErrorCode =
  /** The options cannot be used. */
  | "config"
  /** No server, or it refused the login. */
  | "connect"
  /** The pool is closed. */
  | "closed"
  /** Every connection stayed in use for too long. */
  | "pool_exhausted"
  /** The connection was lost during a query. Nothing of a transaction was committed. */
  | "connection_lost"
  /** The connection was lost during COMMIT: whether it committed is not known. */
  | "commit_in_doubt"
  /** A failed statement was ignored, so the server turned COMMIT into ROLLBACK. */
  | "transaction_aborted"
  /** A query of a transaction that has ended. */
  | "transaction_over"
  /** BEGIN, COMMIT and the like as a query. */
  | "transaction_control"
  /** COPY to or from the client as a query. */
  | "unsupported"
  /** A parameter that cannot be sent. */
  | "parameter"
  /** More than one row. */
  | "too_many_rows";

/** Its message is one line, for a log: the fact, then the remedy. */
export class DatabaseError extends Problem<DatabaseErrorCode> {
  override readonly name = "DatabaseError";

  constructor(parts: ProblemParts<DatabaseErrorCode>) {
    super(parts);
    this.message = `${parts.fact} ${parts.remedy}`;
  }
}
