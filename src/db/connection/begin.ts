import { integer } from "../base/quote.ts";

/** Default `lock_timeout` of a transaction. */
export const LOCK_TIMEOUT_MS = 5_000;

/**
 * How long a session of ours may be idle in a transaction before the server ends it: the life of a lease,
 * so that a frozen holder of it is gone when it may be taken.
 */
export const MOST_IDLE_MS = 15_000;

// Settings of every transaction of ours. search_path: nothing that a user of the
// database can create comes before pg_catalog. The role may have time-outs of its
// own; a session frozen inside a transaction is ended when its lease is.
export function ownSettings(serverVersion: number): string {
  return ["set local search_path to pg_catalog, pg_temp", ownLimits(serverVersion)].join(";\n");
}

/**
 * The limits of what is ours alone. A function that returns rows makes any plan look expensive, and
 * a server with JIT compiles it for 0.4 s; the statements of a migration keep the server's setting.
 */
export function ownLimits(serverVersion: number): string {
  return [limits(serverVersion), "set local jit to off"].join(";\n");
}

/**
 * The time-outs of every transaction of ours, and how the next message is read: behind a pooler
 * the `reset all` at a file's end gives both settings the role's values, not those that the
 * session began with, and the pooler keeps them for this client.
 */
export function limits(serverVersion: number, lockTimeoutMs: number = LOCK_TIMEOUT_MS): string {
  return [
    "set standard_conforming_strings to on",
    "set client_encoding to 'UTF8'",
    "set local statement_timeout to 0",
    `set local idle_in_transaction_session_timeout to ${MOST_IDLE_MS}`,
    `set local lock_timeout to ${integer(lockTimeoutMs)}`,
    ...(serverVersion >= 170_000 ? ["set local transaction_timeout to 0"] : []),
  ].join(";\n");
}
