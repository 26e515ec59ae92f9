import { integer } from "../base/quote.ts";

/** Default `lock_timeout` of a transaction. */
export const LOCK_TIMEOUT_MS = 5_000;

/**
 * How long a session of ours may be idle in a transaction before the server ends it. It is also the
 * life of a lease: a holder that is frozen in a transaction is gone when its lease may be taken.
 */
export const IDLE_IN_TRANSACTION_MS = 15_000;

/**
 * Values come as texts, which are to mean the same whatever the role's settings are. The order of day and month in
 * dates that are read stays the role's.
 */
export const EXACT_TEXTS: readonly string[] = [
  "set local datestyle to 'ISO'",
  "set local intervalstyle to 'postgres'",
  "set local extra_float_digits to 1",
  "set local bytea_output to 'hex'",
];

/** A server crash may take back what commits after this. */
export const ASYNCHRONOUS_COMMIT = "set local synchronous_commit to off";

/** A whole transaction of ours as one message; with `rollback` it only looks. */
export function transaction(
  serverVersion: number,
  statements: readonly string[],
  end: "commit" | "rollback" = "commit",
): string {
  const settings = ownSettings(serverVersion);
  return [BEGIN, settings, ...statements, end].join(";\n");
}

/** Begins a transaction in which the statements of a migration run. */
export function beginForOthers(serverVersion: number, lockTimeoutMs: number): string {
  return `${BEGIN};\n${limits(serverVersion, lockTimeoutMs)}`;
}

const BEGIN = "begin isolation level read committed read write";

/**
 * Settings of our own statements. search_path: nothing that a user of the database can create comes
 * before pg_catalog. jit: a function that returns rows makes any plan look expensive, and a server
 * with JIT would compile it for 0.4 s; the statements of a migration keep the server's setting.
 * row_security: a policy that would hide rows is an error.
 */
export function ownSettings(serverVersion: number): string {
  return [
    limits(serverVersion, LOCK_TIMEOUT_MS),
    "set local search_path to pg_catalog, pg_temp",
    "set local jit to off",
    "set local row_security to off",
  ].join(";\n");
}

/**
 * The time-outs of every transaction of ours, whatever the role has of its own, and how the next
 * message is read: behind a pooler the `reset all` at a file's end gives both settings the role's
 * values, not those that the session began with, and the pooler keeps them for this client.
 */
export function limits(serverVersion: number, lockTimeoutMs: number): string {
  return [
    "set standard_conforming_strings to on",
    "set client_encoding to 'UTF8'",
    "set local statement_timeout to 0",
    `set local idle_in_transaction_session_timeout to ${IDLE_IN_TRANSACTION_MS}`,
    `set local lock_timeout to ${integer(lockTimeoutMs)}`,
    ...(serverVersion >= 170_000 ? ["set local transaction_timeout to 0"] : []),
  ].join(";\n");
}
