import { Problem } from "../base/problem.ts";

/** What went wrong with the database as such. What SQL does wrong stays a `PostgresError`. */
export type DatabaseErrorCode =
  /** The options make no sense. */
  | "config"
  /** No server, or it refused the login. */
  | "connect"
  /** The pool was closed before. */
  | "closed"
  /** Every connection stayed in use for too long. */
  | "pool_exhausted"
  /** The connection died under a query. Of a transaction nothing was committed. */
  | "connection_lost"
  /** The connection died during COMMIT: committed or not, nobody knows. */
  | "commit_in_doubt"
  /** A failed statement was ignored, so the server turned COMMIT into ROLLBACK. */
  | "transaction_aborted"
  /** A query of a transaction that has already ended. */
  | "transaction_over"
  /** BEGIN, COMMIT and the like as a query. */
  | "transaction_control"
  /** COPY to or from the client as a query. */
  | "unsupported"
  /** A parameter that cannot be sent. */
  | "parameter"
  /** More rows than one. */
  | "too_many_rows";

/** Its fact has the remedy in it, as one line for a log. */
export class DatabaseError extends Problem<DatabaseErrorCode> {
  override readonly name = "DatabaseError";

  constructor(code: DatabaseErrorCode, message: string, options?: { readonly cause: unknown }) {
    super({ code, fact: message, remedy: "", cause: options?.cause });
  }
}
