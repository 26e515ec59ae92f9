export type CatalogErrorCode =
  /** The URL cannot be parsed. */
  | "config"
  /** The server cannot be reached, or refuses the user. */
  | "connect"
  /** The catalog cannot be read: the connection was lost, or the server refused a query. */
  | "unreadable"
  /** No statements lead from one catalog to the other. */
  | "not_plannable";

export interface CatalogErrorParts {
  readonly code: CatalogErrorCode;
  /** What is so, with the values. */
  readonly fact: string;
  /** What to do about it. */
  readonly remedy: string;
  readonly cause?: unknown;
}

/** Two catalogs cannot be compared. The message is the fact, the values, the remedy; match on `code`. */
export class CatalogError extends Error {
  override readonly name = "CatalogError";
  readonly code: CatalogErrorCode;
  readonly fact: string;
  readonly remedy: string;

  constructor(parts: CatalogErrorParts) {
    super(`${parts.fact}\n${parts.remedy}`, { cause: parts.cause });
    this.code = parts.code;
    this.fact = parts.fact;
    this.remedy = parts.remedy;
  }
}
