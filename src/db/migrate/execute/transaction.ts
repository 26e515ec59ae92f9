import {
  ASYNCHRONOUS_COMMIT,
  beginForOthers,
  limits,
  ownSettings,
  transaction,
} from "../../connection/begin.ts";
import { prefixOf } from "../history/checksum.ts";
import { fence } from "../lease/sql.ts";
import { mirrorMigration, unmirrorMigration } from "../ledger/drizzle-mirror.ts";
import { type NewEvent, record, type Subject } from "../ledger/record.ts";
import type { EventPayload } from "../ledger-types.ts";
import type { Step } from "../plan/plan.ts";
import type { HeldRun } from "../run-types.ts";
import { resetsAll } from "../sql/made-settings.ts";
import type { ParsedStep } from "../sql/segments.ts";
import type { Placed } from "../sql/statements.ts";
import type { Part, TransactionPart } from "./execution.ts";

/** Where a message was when an error came. */
export type Stage =
  /** What an earlier run has begun outside transactions is looked for. */
  | { readonly kind: "interrupted" }
  | { readonly kind: "fence" }
  | { readonly kind: "statement"; readonly index: number }
  /** Code of the migration's works. */
  | { readonly kind: "code" }
  | { readonly kind: "constraints" }
  | { readonly kind: "record" };

/** One simple-protocol message: a transaction from BEGIN to COMMIT, or one statement. */
export interface Message {
  readonly text: string;
  readonly statements: readonly Placed[];
  /** UTF-16 offset of each statement in `text`. */
  readonly starts: readonly number[];
}

/** Column of the marker rows; their number is the stage that begins. */
export const MARKER = "tidemark_at";

/** What a file may leave in its session ends with it: the next one starts as in a session of its own. */
const LEAVE_NOTHING_BEHIND: readonly string[] = [
  "reset session authorization",
  "reset role",
  "reset all",
  "close all",
  "unlisten *",
  "discard temp",
];

// Behind a pooler these may be another client's.
const LEAVE_NOTHING_OF_OUR_OWN_SESSION: readonly string[] = [
  "deallocate all",
  "select pg_catalog.pg_advisory_unlock_all()",
  "discard sequences",
];

/** The message that records the first `started` of a run. */
export function startMessage(run: HeldRun, first: ParsedStep): string {
  const { tag } = first.migration;
  return transaction(run.session.serverVersion, [
    fence(run, { step: 0, activity: tag }),
    ...record(run, [startOf(first)], { head: first.down?.headMeanwhile ?? null, activity: tag }),
    ASYNCHRONOUS_COMMIT,
  ]);
}

/**
 * The message that runs statements which share a transaction: they and their record are
 * committed together; with a migration's last ones its `done` and the next one's `started`.
 *
 * Commits before the last are asynchronous: a later one flushes them, and no caller is
 * told that the run succeeded before the last is on disk. A server crash in between
 * takes back a migration together with its record.
 */
export function transactionMessage(run: HeldRun, step: number, part: TransactionPart): Message {
  const { statements, settings } = part;
  return fencedMessage(run, {
    proof: { step, activity: part.step.migration.tag },
    settings: [...settings.session, ...settings.local].map(({ text }) => text),
    statements,
    guards: part.step.guards,
    end: endOfPart(run, part),
  });
}

/** A fenced transaction in which statements of a file run, with markers that tell which one failed. */
export function fencedMessage(
  run: HeldRun,
  parts: {
    readonly proof: Parameters<typeof fence>[1];
    /** What runs before the statements, as the role. */
    readonly settings: readonly string[];
    readonly statements: readonly Placed[];
    readonly guards?: ParsedStep["guards"];
    /** What runs after them, as ours. */
    readonly end: readonly string[];
  },
): Message {
  const { proof, settings, statements, guards, end } = parts;
  const { serverVersion } = run.session;
  const { lockTimeoutMs } = run.lockPatience;
  const starts: number[] = [];
  let text = [
    beginForOthers(serverVersion, lockTimeoutMs),
    fence(run, proof),
    // The role's own, whatever a pooler's other client has left in the session.
    "set local search_path to default",
    ...settings.map((setting) => `${setting}\n`),
    "",
  ].join(";\n");
  for (const [i, { statement, index }] of statements.entries()) {
    text += `select ${i} as ${MARKER};\n`;
    for (const guard of guards?.get(index) ?? []) text += `${guard};\n`;
    starts.push(text.length);
    // The line end closes a comment after the statement.
    text += `${statement.text}\n;\n`;
    if (resetsAll(statement.tree)) text += `${limits(serverVersion, lockTimeoutMs)};\n`;
  }
  text += [
    `select ${statements.length} as ${MARKER}`,
    "set constraints all immediate",
    ...leaveNothingBehind(run.lease.direct),
    ownSettings(serverVersion),
    `select ${statements.length + 1} as ${MARKER}`,
    ...end,
    "commit",
  ].join(";\n");
  return { text, statements, starts };
}

/** Takes back what statements may have left in the session. */
export function leaveNothingBehind(direct: boolean): readonly string[] {
  return [...LEAVE_NOTHING_BEHIND, ...(direct ? LEAVE_NOTHING_OF_OUR_OWN_SESSION : [])];
}

/** The record of what a part has done, and of what begins with its commit. */
export function endOfPart(
  run: HeldRun,
  part: Part,
  durationMs?: number,
  code?: EventPayload["code"],
): readonly string[] {
  const { step, to, isLast, following } = part;
  if (!isLast) {
    const runner = { head: null, activity: step.migration.tag };
    return [...record(run, [progressOf(step, to, durationMs)], runner), ASYNCHRONOUS_COMMIT];
  }
  const head = following?.down?.headMeanwhile ?? step.headAfter;
  const runner = { head, activity: following?.migration.tag ?? null };
  const end = endOf(step, code);
  const events = following === undefined ? [end] : [end, startOf(following)];
  return [
    ...(step.down === undefined
      ? mirrorMigration(run.mirror, step.migration)
      : unmirrorMigration(run.schema, run.mirror, step.migration, step.down.up)),
    ...record(run, events, runner),
    ...(following === undefined ? [] : [ASYNCHRONOUS_COMMIT]),
  ];
}

/** The stage that the last marker seen stands for. */
export function stageOf(message: Message, marker: number | undefined): Stage {
  if (marker === undefined) return { kind: "fence" };
  if (marker < message.statements.length) return { kind: "statement", index: marker };
  return { kind: marker === message.statements.length ? "constraints" : "record" };
}

export function subjectOf({ migration, attempt }: Step): Subject {
  return { tag: migration.tag, attempt, checksum: migration.checksum };
}

function progressOf(step: ParsedStep, done: number, durationMs: number | undefined): NewEvent {
  const { statements, total } = step;
  const prefix = prefixOf(statements, done);
  const payload = {
    statement: done,
    statements: total,
    prefix,
    ...(durationMs !== undefined && { durationMs }),
  };
  return { type: "statement.done", ...subjectOf(step), payload };
}

function startOf(step: ParsedStep): NewEvent {
  const { total, resumeAt, prefix, down, stored } = step;
  const payload = { statement: resumeAt, statements: total, prefix };
  if (down === undefined) return { type: "migration.started", ...subjectOf(step), payload };
  return {
    type: "migration.started",
    ...subjectOf(step),
    payload: { ...payload, direction: "down", ...(stored && { down: stored.checksum }) },
    ...(stored && { downSql: stored.sql }),
  };
}

function endOf(step: ParsedStep, code: EventPayload["code"]): NewEvent {
  const { statements, total, migration, rank, down, stored } = step;
  const file = stored && { down: stored.checksum };
  if (down !== undefined) {
    const payload = { statement: total, statements: total, ...file };
    return { type: "migration.reverted", ...subjectOf(step), payload };
  }
  // All of it is done, and nothing goes on after it: the SQL's own checksum tells later which file was edited.
  const prefix = migration.code?.sqlChecksum ?? prefixOf(statements);
  const payload = { statement: total, statements: total, prefix, rank, ...(code && { code }) };
  return {
    type: "migration.done",
    ...subjectOf(step),
    payload: { ...payload, ...file },
    ...(stored && { downSql: stored.sql }),
  };
}
