import { prefixOf } from "./checksum.ts";
import { fence, limits, ownSettings } from "./lease-sql.ts";
import type { Step } from "./plan.ts";
import { type NewEvent, type RecordContext, record, type Subject } from "./record-sql.ts";
import type { Statement } from "./statements.ts";

/** A migration that is to run, parsed. */
export interface ParsedStep extends Step {
  readonly statements: readonly Statement[];
}

/** Where a message was when an error came. */
export type Stage =
  | { readonly kind: "fence" }
  | { readonly kind: "statement"; readonly index: number }
  | { readonly kind: "constraints" }
  | { readonly kind: "record" };

/** One simple-protocol message: a transaction from BEGIN to COMMIT. */
export interface Message {
  readonly text: string;
  readonly statements: readonly Statement[];
  /** UTF-16 offset of each statement in `text`. */
  readonly starts: readonly number[];
}

/** Column of the marker rows; their number is the stage that begins. */
export const MARKER = "tidemark_at";

/** What a file may leave in its session ends with it: the next one starts as in a session of its own. */
const LEAVE_NOTHING_BEHIND = [
  "reset session authorization",
  "reset role",
  "reset all",
  "close all",
  "unlisten *",
  "discard temp",
];

// Behind a pooler these may be another client's.
const LEAVE_NOTHING_OF_OUR_OWN_SESSION = [
  "deallocate all",
  "select pg_catalog.pg_advisory_unlock_all()",
  "discard sequences",
];

const BEGIN = "begin isolation level read committed read write";

/** The message that records the first `started` of a run. */
export function startMessage(
  context: RecordContext,
  step: number,
  first: ParsedStep,
  serverVersion: number,
): string {
  return [
    BEGIN,
    ownSettings(serverVersion),
    fence(context.schema, context.lease, { step, activity: first.migration.tag }),
    ...record(context, [startOf(first)], { head: null, activity: first.migration.tag }),
    "set local synchronous_commit to off",
    "commit",
  ].join(";\n");
}

/**
 * The message that runs a migration: its statements, its `done`, and the next
 * one's `started`, committed together.
 *
 * Commits before the last are asynchronous: a later one flushes them, and nobody is
 * told that the run succeeded before the last is on disk. A server crash in between
 * takes back a migration together with its record.
 */
export function migrationMessage(
  context: RecordContext,
  step: number,
  current: ParsedStep,
  next: ParsedStep | undefined,
  serverVersion: number,
): Message {
  const todo = current.statements.slice(current.resumeAt);
  const starts: number[] = [];
  let text = [
    BEGIN,
    limits(serverVersion, context.lockTimeoutMs),
    fence(context.schema, context.lease, { step, activity: current.migration.tag }),
    // The role's own, whatever a pooler's other client has left in the session.
    "set local search_path to default",
    "",
  ].join(";\n");
  for (const [i, statement] of todo.entries()) {
    text += `select ${i} as ${MARKER};\n`;
    starts.push(text.length);
    // The line end closes a comment behind the statement.
    text += `${statement.text}\n;\n`;
  }
  text += [
    `select ${todo.length} as ${MARKER}`,
    "set constraints all immediate",
    ...LEAVE_NOTHING_BEHIND,
    ...(context.lease.direct ? LEAVE_NOTHING_OF_OUR_OWN_SESSION : []),
    limits(serverVersion),
    `select ${todo.length + 1} as ${MARKER}`,
    ...record(context, [endOf(current), ...(next === undefined ? [] : [startOf(next)])], {
      head: current.headAfter,
      activity: next?.migration.tag ?? null,
    }),
    ...(next === undefined ? [] : ["set local synchronous_commit to off"]),
    "commit",
  ].join(";\n");
  return { text, statements: todo, starts };
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

function startOf(step: ParsedStep): NewEvent {
  const { statements, resumeAt, prefix } = step;
  const payload = { statement: resumeAt, statements: statements.length, prefix };
  return { type: "migration.started", ...subjectOf(step), payload };
}

function endOf(step: ParsedStep): NewEvent {
  const { statements, rank } = step;
  const { length } = statements;
  const payload = { statement: length, statements: length, prefix: prefixOf(statements), rank };
  return { type: "migration.done", ...subjectOf(step), payload };
}
