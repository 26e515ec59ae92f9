import { Problem } from "../base/problem.ts";

export type CatalogErrorCode =
  /** The URL cannot be parsed. */
  | "config"
  /** The server cannot be reached, or refuses the user. */
  | "connect"
  /** The catalog cannot be read: the connection was lost, or the server refused a query. */
  | "unreadable"
  /** No statements turn one catalog into the other. */
  | "not_plannable";

/** Two catalogs cannot be compared. Match on `code`. */
export class CatalogError extends Problem<CatalogErrorCode> {
  override readonly name = "CatalogError";
}
