import { statementDigest } from "../../history/checksum.ts";
import { LEASE_RENEW_MS } from "../../lease/sql.ts";
import { record } from "../../ledger/record.ts";
import type { ObjectState, UnderWay } from "../../ledger-types.ts";
import type { HeldRun, LeaseToken } from "../../run-types.ts";
import type { MadeSetting } from "../../sql/made-settings.ts";
import type { Outside } from "../../sql/non-transactional.ts";
import type { OutsidePart } from "../execution.ts";
import { type Message, subjectOf } from "../transaction.ts";

/**
 * How long the session may wait for the statement that the fence has let through. A runner
 * that is frozen in between cannot run it any more when its lease is another's: the server has
 * ended its session. Two such pauses are shorter than a lease.
 */
export const IDLE_SESSION_MS = 2 * LEASE_RENEW_MS;

/** What is begun, as the ledger keeps it. */
export function underWayOf({ placed, outside }: OutsidePart, before: ObjectState): UnderWay {
  return {
    statement: placed.index + 1,
    digest: statementDigest(placed.statement.text),
    label: outside.label,
    action: outside.action,
    before,
  };
}

// Together with a fence, from where on the server counts; behind a pooler the session is not ours.
export function endIdleSession({ direct }: LeaseToken): readonly string[] {
  return direct ? [`set idle_session_timeout to ${IDLE_SESSION_MS}`] : [];
}

/** What the run does, for those who wait. */
export function activityOf({ step, outside }: OutsidePart): string {
  return `${step.migration.tag}, ${outside.label}`;
}

/** The record that the statement is begun, with the state before it. */
export function beginOf(run: HeldRun, part: OutsidePart, underWay: UnderWay): readonly string[] {
  const { step, from } = part;
  const payload = { statement: from, statements: step.total, underWay };
  const event = { type: "statement.started", ...subjectOf(step), payload } as const;
  return [
    ...record(run, [event], { head: null, activity: activityOf(part) }),
    ...endIdleSession(run.lease),
  ];
}

/**
 * The session's settings for a statement outside transactions, on a connection that is
 * the run's own.
 */
export function sessionSettings(
  {
    settings,
    lockTimeoutMs,
  }: { readonly settings: readonly MadeSetting[]; readonly lockTimeoutMs: number },
  serverVersion: number,
): string {
  return [
    "set statement_timeout to 0",
    "set default_transaction_read_only to off",
    ...(serverVersion >= 170_000 ? ["set transaction_timeout to 0"] : []),
    ...settings.map(({ text }) => `${text}\n`),
    // How the statement is read is not the file's to say.
    "set standard_conforming_strings to on",
    "set client_encoding to 'UTF8'",
    `set lock_timeout to ${lockTimeoutMs}`,
    `set idle_session_timeout to ${IDLE_SESSION_MS}`,
  ].join(";\n");
}

/**
 * `lock_timeout` of a statement outside transactions. A concurrent one has none: it waits without
 * holding others up, and a time-out leaves an INVALID index behind.
 */
export function lockTimeoutOf({ concurrent }: Outside, lockTimeoutMs: number): number {
  return concurrent ? 0 : lockTimeoutMs;
}

/** Marks a statement that no transaction fences: a runner that takes over looks for it. */
export function marked(lease: LeaseToken, statement: number, sql: string): string {
  return `/* tidemark ${lease.runId} ${lease.token} ${statement} */ ${sql}`;
}

/** The statement by itself. */
export function outsideMessage(lease: LeaseToken, { placed }: OutsidePart): Message {
  const start = marked(lease, placed.index + 1, "");
  return {
    text: start + placed.statement.text,
    statements: [placed],
    starts: [start.length],
  };
}
