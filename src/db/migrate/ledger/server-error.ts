import { identifier, quotedIfNeeded } from "../../base/quote.ts";
import {
  DEADLOCK_DETECTED,
  INSUFFICIENT_PRIVILEGE,
  LOCK_NOT_AVAILABLE,
  QUERY_CANCELED,
} from "../../base/sqlstate.ts";
import { ASK_WHO_RAISES, isRaised } from "../../connection/server-words.ts";
import { isServerError, type ServerError } from "../../connection/session.ts";
import { MigrateError } from "../errors.ts";
import { FENCED } from "./functions.ts";

const READ_ONLY = "25006";
const NO_SUCH_COLUMN = "42703";
const DISK_FULL = "53100";
// Resources, an operator's intervention, the system around it, an internal error.
const SERVER_TROUBLE = /^(53|57|58|XX)/;

/** SQLSTATEs of a lock that was not got: waited for too long, or lost in a deadlock. */
export const LOCK_CONFLICTS: ReadonlySet<string> = new Set([LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED]);

/** A lock was not got, and a later try may. */
export function isLockConflict(error: {
  readonly code: string;
  readonly routine?: string;
}): boolean {
  return LOCK_CONFLICTS.has(error.code) && !isRaised(error);
}

/** The fence refused, or could not get the row: another run has it. */
export function isContended(error: unknown): error is ServerError {
  return isServerError(error) && (error.code === FENCED || error.code === LOCK_NOT_AVAILABLE);
}

/** The error of a run that would write, on a server that is only read. */
export function standbyError(why: string, cause?: unknown): MigrateError {
  return new MigrateError({
    code: "connect",
    fact: `The server is a standby: it can be read but not written, and ${why}.`,
    outcome: "nothing-run",
    remedy: "Connect to the primary.",
    cause,
  });
}

/** A server error while the ledger was read or created. */
export function ledgerError(schema: string, error: ServerError): MigrateError {
  if (error.code === LOCK_NOT_AVAILABLE) {
    return new MigrateError({
      code: "lock_timeout",
      fact: `Another session holds a lock on the ledger's tables in schema ${schema} (SQLSTATE ${error.code}).`,
      outcome: "nothing-run",
      remedy: "pg_locks and pg_stat_activity show which; end that session and run again.",
      cause: error,
    });
  }
  const isServers = error.code === READ_ONLY || SERVER_TROUBLE.test(error.code);
  return new MigrateError({
    code: isServers ? "connect" : "config",
    fact: `The ledger in schema ${schema} cannot be used: ${error.message} (SQLSTATE ${error.code}).${moreOf(error)}`,
    ...(error.code !== INSUFFICIENT_PRIVILEGE &&
      error.code !== QUERY_CANCELED && { outcome: "nothing-run" }),
    remedy: adviceOn(schema, error),
    cause: error,
  });
}

/** What else the server says, a line each. */
function moreOf({ detail, hint, where = "" }: ServerError): string {
  // The statements in it are our own, and long.
  const foreign = where
    .split("\n")
    .filter((line) => /^PL\/pgSQL function (?!inline_code_block)/.test(line));
  return [
    ...(detail ? [`detail: ${detail}`] : []),
    ...(hint ? [`hint: ${hint}`] : []),
    ...foreign.map((line) => `context: ${line}`),
  ]
    .map((line) => `\n${line}`)
    .join("");
}

function adviceOn(schema: string, error: ServerError): string {
  if (isHiddenByPolicy(error)) return withoutPolicies(schema, error);
  // An event trigger's, which may have any SQLSTATE: what that means to us is not what it means.
  if (isRaised(error)) {
    return ASK_WHO_RAISES;
  }
  return remedyOf(schema, error);
}

/** The server's function that refuses to hide rows, which no other refusal of a right comes from. */
function isHiddenByPolicy({ code, routine }: ServerError): boolean {
  return code === INSUFFICIENT_PRIVILEGE && routine === "check_enable_rls";
}

function withoutPolicies(schema: string, { table_name: name }: ServerError): string {
  const tables = name ? [name] : ["runner", "schema_migrations", "migration_events"];
  const statements = tables.map(
    (table) => `alter table ${quotedIfNeeded(schema)}.${table} disable row level security;`,
  );
  return (
    "Row-level security was enabled on the ledger, and would hide rows from this role: what is applied would look pending. " +
    `Connect as the role that owns schema ${schema}, or take it off:\n${statements.join("\n")}`
  );
}

function remedyOf(schema: string, { code }: ServerError): string {
  const s = identifier(schema);
  switch (code) {
    case INSUFFICIENT_PRIVILEGE:
      return (
        `To migrate, connect as the role that owns schema ${schema}; where there is none yet, ` +
        "it takes the right to create on the database (grant create on database … to …).\n" +
        `For status, this is enough: grant usage on schema ${s} to …; grant select on all tables in schema ${s} to …;`
      );
    case READ_ONLY:
      return "The server is read-only: a standby, most likely. Migrations need the primary.";
    case NO_SUCH_COLUMN:
      return (
        `Schema ${schema} does not contain a ledger of Tidemark's, or it was altered: ` +
        "give the ledger a schema of its own with --ledger-schema."
      );
    case DISK_FULL:
      return "Make room on the server's disk, then run it again.";
    case QUERY_CANCELED:
      return "It was canceled on the server. Run it again; it goes on from what is recorded.";
    default:
      return "The server's message above says what is missing.";
  }
}
