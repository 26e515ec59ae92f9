import { DatabaseError } from "./database-error.ts";

/** The only row, or undefined when there is none. Throws `too_many_rows`. */
export function readOne<T>(rows: readonly unknown[]): T | undefined {
  if (rows.length > 1) {
    const message = `The query returned ${rows.length} rows where one at most was expected. Narrow its condition, or use query().`;
    throw new DatabaseError("too_many_rows", message);
  }
  return rows[0] as T | undefined;
}
