import { type SQL, sql } from "drizzle-orm";
import { errorCode } from "../db/base/problem.ts";
import type { DatabasePool, Transaction } from "../db/pool/index.ts";

/** One statement with `$1` … for the parameters, each with a cast where its type is not obvious. */
export type Run = <Row>(text: string, params: readonly unknown[]) => Promise<readonly Row[]>;

/** A Drizzle transaction of the caller's, over any driver. */
export interface DrizzleTransaction {
  execute(query: SQL): PromiseLike<unknown>;
  /** A savepoint. */
  transaction<T>(work: (inner: DrizzleTransaction) => Promise<T>): Promise<T>;
}

/** A transaction of the caller's: Drizzle's, or the pool's. */
export type CallerTransaction = DrizzleTransaction | Transaction;

export function runOn(pool: DatabasePool): Run {
  return (text, params) => pool.query(text, params);
}

/** The pool's transactions as Drizzle's. */
export function drizzleOf(transaction: CallerTransaction): DrizzleTransaction {
  return "drizzle" in transaction ? transaction.drizzle : transaction;
}

export function runInside(transaction: DrizzleTransaction): Run {
  return async <Row>(text: string, params: readonly unknown[]) => {
    const result = await transaction.execute(bound(text, params));
    // An array of rows, or with node-postgres an object that has one.
    const rows = Array.isArray(result) ? result : (result as { readonly rows: Row[] }).rows;
    return [...rows] as readonly Row[];
  };
}

/** Drizzle numbers parameters itself: one that the text names twice is passed twice. */
function bound(text: string, params: readonly unknown[]): SQL {
  const chunks = text.split(/\$(\d+)/);
  return sql.join(
    chunks.map((chunk, i) => (i % 2 === 0 ? sql.raw(chunk) : sql.param(params[Number(chunk) - 1]))),
  );
}

/** What the server said, however the driver, or Drizzle around it, hands it on. */
export function serverError(
  error: unknown,
): { readonly sqlState: string; readonly constraint: string | undefined } | undefined {
  for (let e = error; e instanceof Error; e = e.cause) {
    const sqlState = errorCode(e);
    if (sqlState === undefined || !/^[0-9A-Z]{5}$/.test(sqlState)) continue;
    // postgres.js, and node-postgres.
    const { constraint_name, constraint } = e as {
      readonly constraint_name?: string;
      readonly constraint?: string;
    };
    return { sqlState, constraint: constraint_name ?? constraint };
  }
  return undefined;
}
