import { ownSettings } from "../../../connection/begin.ts";
import { statementDigest } from "../../history/checksum.ts";
import { fence, LEASE_RENEW_MS } from "../../lease/sql.ts";
import type { LeaseToken } from "../../ledger/record.ts";
import { type NewEvent, type RecordContext, record } from "../../ledger/record.ts";
import type { ObjectState, UnderWay } from "../../outside-types.ts";
import type { MadeSetting } from "../../sql/made-settings.ts";
import type { Outside } from "../../sql/non-transactional.ts";
import type { OutsideSegment } from "../../sql/segments.ts";
import type { Part } from "../parts.ts";
import { type Message, subjectOf } from "../transaction.ts";

/** A part that is a statement outside transactions. */
export type OutsidePart = Part & { readonly segment: OutsideSegment };

/**
 * How long the session may wait for the statement that the fence has let through. A runner
 * that is frozen in between cannot run it any more when its lease is another's: the server has
 * ended its session. Two such pauses are shorter than a lease.
 */
export const MOST_IDLE_MS = 2 * LEASE_RENEW_MS;

/** What is begun, as the ledger keeps it. */
export function underWayOf({ segment }: OutsidePart, before: ObjectState): UnderWay {
  const { placed, outside } = segment;
  return {
    statement: placed.index + 1,
    digest: statementDigest(placed.statement.text),
    label: outside.label,
    action: outside.action,
    before,
  };
}

/** Records that the statement is begun, with the state before it. */
export function beginMessage(
  context: RecordContext,
  step: number,
  part: OutsidePart,
  underWay: UnderWay,
  serverVersion: number,
): string {
  const { migration, statements } = part.step;
  const event: NewEvent = {
    type: "statement.started",
    ...subjectOf(part.step),
    payload: { statement: part.segment.from, statements: statements.length, underWay },
  };
  const activity = `${migration.tag}, ${underWay.label}`;
  return [
    "begin isolation level read committed read write",
    ownSettings(serverVersion),
    fence(context.schema, context.lease, { step, activity }),
    ...record(context, [event], { head: null, activity }),
    // Together with the fence: from here on the server counts.
    ...(context.lease.direct ? [`set idle_session_timeout to ${MOST_IDLE_MS}`] : []),
    "commit",
  ].join(";\n");
}

/**
 * The session's settings for a statement outside transactions, on a connection that is
 * nobody else's.
 */
export function sessionSettings(
  made: readonly MadeSetting[],
  options: { readonly lockTimeoutMs: number; readonly serverVersion: number },
): string {
  return [
    "set statement_timeout to 0",
    ...(options.serverVersion >= 170_000 ? ["set transaction_timeout to 0"] : []),
    ...made.map(({ text }) => `${text}\n`),
    // How the statement is read is not the file's to say.
    "set standard_conforming_strings to on",
    "set client_encoding to 'UTF8'",
    `set lock_timeout to ${options.lockTimeoutMs}`,
    `set idle_session_timeout to ${MOST_IDLE_MS}`,
  ].join(";\n");
}

/**
 * `lock_timeout` of a statement outside transactions. A concurrent one has none: it waits without
 * holding anybody up, and a time-out leaves an INVALID index behind.
 */
export function lockTimeoutOf({ concurrent }: Outside, lockTimeoutMs: number): number {
  return concurrent ? 0 : lockTimeoutMs;
}

/** Marks a statement that no transaction fences: whoever takes the lease over looks for it. */
export function marked(lease: LeaseToken, statement: number, sql: string): string {
  return `/* tidemark ${lease.runId} ${lease.token} ${statement} */ ${sql}`;
}

/** The statement by itself. */
export function outsideMessage(lease: LeaseToken, { segment }: OutsidePart): Message {
  const { placed } = segment;
  const start = marked(lease, placed.index + 1, "");
  return {
    text: start + placed.statement.text,
    statements: [placed],
    starts: [start.length],
  };
}
