import { type SQL, sql } from "drizzle-orm";
import { type AnyPgColumn, type CheckBuilder, check } from "drizzle-orm/pg-core";

/** A check that the text is not empty: an empty id is a bug of the writer, never a value. */
export function notEmpty(name: string, column: AnyPgColumn): CheckBuilder {
  return check(name, sql`${column} <> ''`);
}

/** A check that the number is at least `least`. NULL passes. */
export function atLeast(name: string, column: AnyPgColumn, least: number): CheckBuilder {
  return check(name, sql`${column} >= ${literal(least)}`);
}

/** A check that the text is one of `values`. NULL passes. */
export function oneOf(name: string, column: AnyPgColumn, values: readonly string[]): CheckBuilder {
  return check(name, sql`${column} in (${sql.join(values.map(literal), sql`, `)})`);
}

// DDL takes no parameters: drizzle-kit would write a bound value as `$1` into the file.
function literal(value: string | number): SQL {
  return sql.raw(typeof value === "number" ? String(value) : `'${value.replaceAll("'", "''")}'`);
}
