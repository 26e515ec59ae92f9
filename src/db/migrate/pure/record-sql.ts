import type { Checksum, RecordedError, Tag } from "../types.ts";
import type { LeaseToken, RunIdentity } from "./lease-sql.ts";
import { identifier, integer, jsonLiteral, literal } from "./quote.ts";

/** What every record of a run needs. */
export interface RecordContext {
  readonly schema: string;
  readonly identity: RunIdentity;
  readonly lease: LeaseToken;
}

/** The migration that an event is about. */
export interface Subject {
  readonly tag: Tag;
  readonly attempt: number;
  readonly checksum: Checksum;
}

/** How far a migration is, in statements. */
export interface Progressed {
  readonly statement: number;
  readonly statements: number;
  readonly prefix: Checksum | null;
}

/** Column of the duration that `recordDone` returns, in milliseconds. */
export const DURATION = "tidemark_duration";

/** `migration.started`, and the state row. */
export function recordStarted(
  context: RecordContext,
  subject: Subject,
  progress: Progressed,
): string {
  const { lease } = context;
  return call(context, "record_started", [
    literal(lease.runId),
    ...subjectArguments(subject),
    jsonLiteral(progress),
    ...identityArguments(context),
  ]);
}

/** `migration.done`, the state row, and the database's head. */
export function recordDone(
  context: RecordContext,
  subject: Subject,
  done: Progressed & {
    /** Rank among the applied migrations. */
    readonly rank: number;
    readonly head: Checksum;
    /** What the run does next, for those who wait to read. */
    readonly next: Tag | null;
  },
): string {
  const { head, next, ...payload } = done;
  const { lease } = context;
  return `${call(context, "record_done", [
    literal(lease.runId),
    lease.token,
    ...subjectArguments(subject),
    jsonLiteral(payload),
    ...identityArguments(context),
    literal(head),
    literal(next),
  ])} as ${DURATION}`;
}

/** `migration.failed`, and the state row. */
export function recordFailed(
  context: RecordContext,
  subject: Subject,
  error: RecordedError,
): string {
  const { lease } = context;
  return call(context, "record_failed", [
    literal(lease.runId),
    ...subjectArguments(subject),
    jsonLiteral({ error }),
    ...identityArguments(context),
  ]);
}

function call({ schema }: RecordContext, name: string, args: readonly string[]): string {
  return `select ${identifier(schema)}.${name}(${args.join(", ")})`;
}

function subjectArguments({ tag, attempt, checksum }: Subject): readonly string[] {
  return [literal(tag), integer(attempt), literal(checksum)];
}

function identityArguments({ identity }: RecordContext): readonly string[] {
  const { host, processId, toolVersion, appVersion } = identity;
  return [literal(host), integer(processId), literal(toolVersion), literal(appVersion)];
}
