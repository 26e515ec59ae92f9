import { duration, plural } from "../../base/text.ts";
import type { MigrateError } from "../errors.ts";
import type { AdoptedBy, LedgerEvent } from "../ledger-types.ts";
import type { RepeatableStatus } from "../repeatable-types.ts";
import type { RunningNow, StatusReport } from "../reports.ts";
import type { Doubt, MigrationStatus, Owner, RecordedError } from "../types.ts";

/** A row of `status --json`. */
export interface MigrationJson {
  readonly tag: string;
  readonly state: MigrationStatus["state"]["kind"];
  readonly flags: readonly string[];
  /** Of its end, or of its start while it has none. ISO 8601, null when pending. */
  readonly at: string | null;
  readonly durationMs: number | null;
  readonly checksum: string;
  readonly attempt: number;
  readonly by: Owner | null;
  readonly error: RecordedError | null;
  /** Of a STUCK one: the statement whose end is not recorded. */
  readonly doubt: Doubt | null;
}

export function migrationJson(migration: MigrationStatus): MigrationJson {
  const { tag, state, flags, checksum, attempt } = migration;
  return {
    tag,
    state: state.kind,
    flags,
    at: state.kind === "PENDING" ? null : state.at.toISOString(),
    durationMs: state.kind === "DONE" || state.kind === "FAILED" ? state.durationMs : null,
    checksum,
    attempt,
    by: state.kind === "PENDING" ? null : state.owner,
    error: state.kind === "FAILED" ? state.error : null,
    doubt: (state.kind === "STUCK" && state.doubt) || null,
  };
}

/** What `status --json` prints. */
export function statusJson(report: StatusReport) {
  return {
    version: report.version ?? null,
    head: report.head,
    newer: report.newer,
    pending: report.pending,
    migrations: report.migrations.map(migrationJson),
    ...(report.pendingCode && { pendingCode: report.pendingCode }),
    running: report.running ? runningJson(report.running) : null,
    backfills: report.backfills,
    pendingRepeatables: report.pendingRepeatables,
    repeatables: report.repeatables.map(repeatableJson),
    drizzle: report.drizzle ?? null,
    problems: report.problems.map(({ code, message }) => ({ code, message })),
    warnings: report.warnings,
  };
}

/** What a runner is at, of `status --json` and `/readyz`. */
export function runningJson({ activity, holder, work, blockers }: RunningNow) {
  const { activity: _activity, zombie: _zombie, since, ...who } = holder;
  return { activity, by: { ...who, since: since.toISOString() }, work, blockers };
}

/** A repeatable of `status --json`. */
export function repeatableJson({ at, ...repeatable }: RepeatableStatus) {
  return { ...repeatable, at: at?.toISOString() ?? null };
}

/** A row of the status table of a repeatable, a text for each of the columns. */
export function repeatableCells(repeatable: RepeatableStatus): readonly string[] {
  const { tag, state, flags, at, durationMs, by } = repeatable;
  return [
    tag,
    [state, ...flags].join(" "),
    at === null ? "" : shortTime(at),
    durationMs === null ? "" : duration(durationMs),
    by === null || at === null ? "" : `${by.user}@${by.host}`,
  ];
}

/** An event of `events --json`. */
export function eventJson({ at, ...event }: LedgerEvent) {
  return { ...event, at: at.toISOString() };
}

/** An event as a line: when, what, which migration, then its details. */
export function eventCells(event: LedgerEvent): readonly [string, string, string, ...string[]] {
  const { type, tag, at, attempt, payload, owner } = event;
  const { durationMs, error, before, answer, underWay, by, formerly, direction, restored } =
    payload;
  return [
    shortTime(at),
    type.replace("migration.", "").replace("backfill.", "backfill "),
    tag,
    attempt > 1 ? `attempt ${attempt}` : "",
    durationMs === undefined ? "" : duration(durationMs),
    statementText(event),
    underWay?.label ?? "",
    before === undefined ? "" : `was ${before}`,
    answer === undefined ? "" : `answer: ${answer}`,
    direction === undefined ? "" : "on its way down",
    restored ? "applied as before" : "",
    by === undefined ? "" : ADOPTED_BY[by],
    formerly === undefined ? "" : `was ${formerly}`,
    payload.why ?? "",
    backfillDetails(event),
    `${owner.user}@${owner.host}`,
    error === undefined ? "" : errorText(type, error),
  ];
}

function errorText(type: LedgerEvent["type"], { sqlState, message }: RecordedError): string {
  if (sqlState === null && type === "backfill.failed") return message;
  return `${sqlState ?? "canceled"}: ${message}`;
}

/** How far a backfill was. */
function backfillDetails({ payload: { rows, quarantined = 0 } }: LedgerEvent): string {
  if (rows === undefined) return "";
  return `${plural(rows, "row")}${quarantined === 0 ? "" : `, ${quarantined} put aside`}`;
}

/** Why an event says that a migration was adopted. */
const ADOPTED_BY: Readonly<Record<AdoptedBy, string>> = {
  drizzle: "by drizzle's table",
  answer: "by your answer",
  comparison: "by comparison",
  skipped: "not applied: drizzle passed it over",
};

/** Which statement an event is about, as `3 of 9`. */
function statementText({ type, payload }: LedgerEvent): string {
  const { statement, statements, underWay } = payload;
  if (!type.startsWith("statement.")) return "";
  return `${underWay?.statement ?? statement} of ${statements}`;
}

/** What any command prints with `--json` when it fails. */
export function errorJson(error: MigrateError) {
  return {
    error: {
      code: error.code,
      exitCode: error.exitCode,
      fact: error.fact,
      outcome: error.outcome ?? null,
      remedy: error.remedy,
      place: error.place ?? null,
      tag: error.tag ?? null,
      applied: error.applied,
      // Of a rollback alone.
      ...(error.reverted.length > 0 && { reverted: error.reverted }),
      notRun: error.notRun,
      details: error.recorded ?? null,
    },
  };
}

export const STATUS_COLUMNS = ["migration", "state", "when", "took", "by"] as const;

/** A row of the status table, a text for each of the columns. */
export function statusCells(migration: MigrationStatus): readonly string[] {
  const { state } = migration;
  const name = [state.kind, ...migration.flags].join(" ");
  if (state.kind === "PENDING") return [migration.tag, name, "", "", ""];
  const { durationMs } = migrationJson(migration);
  return [
    migration.tag,
    name,
    shortTime(state.at),
    durationMs === null ? (state.kind === "DONE" ? "adopted" : "") : duration(durationMs),
    `${state.owner.user}@${state.owner.host}`,
  ];
}

/** To the second, in UTC, as in logs. */
function shortTime(at: Date): string {
  return at
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}
