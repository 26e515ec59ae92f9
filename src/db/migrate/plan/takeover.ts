import type { AdoptAnswers, DrizzleTable, JudgedRow } from "../adopt-types.ts";
import type { AdoptedBy, Ledger, LedgerRow } from "../ledger-types.ts";
import type { History, Migration, Tag } from "../types.ts";

/** A migration that the ledger is to know as applied, or as passed over for good. */
export interface Adopted {
  readonly migration: Migration;
  readonly by: AdoptedBy;
  readonly appliedAt: Date | null;
  /** Number of its row in drizzle's table. */
  readonly row: number | undefined;
}

/** What the ledger is told before anything is applied: by drizzle's table, where there is one, or by a person. */
export interface Takeover {
  readonly table: DrizzleTable | undefined;
  readonly adopted: readonly Adopted[];
  /** Rows that need a person's answer. */
  readonly doubtful: readonly JudgedRow[];
}

/** What is to be taken over: all rows whose migration is sure, and all that a person has answered for. */
export function takeoverOf(
  table: DrizzleTable | undefined,
  { migrations }: History,
  ledger: Ledger,
  answers: AdoptAnswers = {},
): Takeover {
  const { markApplied = [], forget = [], evidence = "answer" } = answers;
  const accepted: ReadonlySet<JudgedRow["verdict"]> = new Set([
    "matched",
    ...(answers.acceptEdited ? (["edited"] as const) : []),
    ...(answers.acceptMarked ? (["marked", "retimed"] as const) : []),
  ]);
  const rowOf = new Map<Tag, JudgedRow>();
  const doubtful: JudgedRow[] = [];
  const counting = (table?.rows ?? []).filter(
    (row) => !forget.some((one) => one === row.id || one === row.verdict),
  );
  for (const row of counting) {
    const isSure =
      accepted.has(row.verdict) ||
      (row.tag !== undefined && markApplied.includes(row.tag) && row.verdict !== "duplicate");
    if (isSure && row.tag !== undefined) rowOf.set(row.tag, row);
    else doubtful.push(row);
  }
  const known = new Map(ledger.rows.map((row) => [row.tag, row]));
  const passed = skippedBefore(table, counting, ledger);
  const adopted = migrations.flatMap((migration): Adopted | [] => {
    const { tag, when } = migration;
    if (known.get(tag)?.state === "DONE") return [];
    const row = rowOf.get(tag);
    if (row !== undefined) {
      return { migration, by: "drizzle", appliedAt: timeOf(row), row: row.id };
    }
    if (markApplied.includes(tag)) {
      return { migration, by: evidence, appliedAt: null, row: undefined };
    }
    const isInDoubt = doubtful.some((other) => other.tag === tag);
    if (isInDoubt || when === undefined || when > passed || known.has(tag)) return [];
    return { migration, by: "skipped", appliedAt: null, row: undefined };
  });
  return { table, adopted, doubtful };
}

/**
 * drizzle 0.x runs what is newer than the newest time in its table: what is older and has no row was
 * passed over, and never runs there. 1.x goes by names. What comes later is nobody's silence.
 */
function skippedBefore(
  table: DrizzleTable | undefined,
  rows: readonly JudgedRow[],
  { runner }: Ledger,
): number {
  if (table === undefined || table.hasNames || runner?.mirror) return Number.NEGATIVE_INFINITY;
  return Math.max(...rows.map(({ createdAt }) => createdAt ?? Number.NEGATIVE_INFINITY));
}

function timeOf({ appliedAt, createdAt }: JudgedRow): Date | null {
  if (appliedAt !== null) return appliedAt;
  return createdAt === null ? null : new Date(createdAt);
}

/** The ledger's rows as they are once a table is taken over. */
export function rowsAfter(
  { adopted, table }: Takeover,
  { migrations }: History,
  rows: readonly LedgerRow[],
): readonly LedgerRow[] {
  const taken = new Map(adopted.map((one) => [one.migration.tag, one]));
  const kept = rows.filter(({ tag }) => !taken.has(tag));
  const ranks = ranksOf({ adopted }, migrations, rows);
  return [
    ...kept.map((row) => ({ ...row, rank: ranks.get(row.tag) ?? row.rank })),
    ...adopted.map((one) => rowOf(one, ranks.get(one.migration.tag) ?? null, table?.role ?? "")),
  ];
}

/**
 * Ranks of all that is applied then, in the history's order; what the history does not know stays after
 * those it came after.
 */
export function ranksOf(
  { adopted }: Pick<Takeover, "adopted">,
  migrations: readonly Migration[],
  rows: readonly LedgerRow[],
): ReadonlyMap<Tag, number> {
  const indexes = new Map(migrations.map(({ tag, index }) => [tag, index]));
  const order = rows
    .filter(({ state }) => state === "DONE")
    .toSorted((a, b) => (a.rank ?? 0) - (b.rank ?? 0))
    .map(({ tag }) => tag);
  for (const { migration, by } of adopted) {
    if (by === "skipped") continue;
    const later = order.findIndex((tag) => (indexes.get(tag) ?? -1) > migration.index);
    order.splice(later === -1 ? order.length : later, 0, migration.tag);
  }
  return new Map(order.map((tag, rank) => [tag, rank]));
}

function rowOf({ migration, appliedAt }: Adopted, rank: number | null, role: string): LedgerRow {
  const at = appliedAt ?? new Date();
  return {
    ...{ tag: migration.tag, state: rank === null ? "PENDING" : "DONE", rank, attempt: 0 },
    ...{ checksum: migration.checksum, statementsDone: 0, statementsTotal: 0 },
    ...{ prefix: null, underWay: null, startedAt: at, finishedAt: rank === null ? null : at },
    ...{ durationMs: null, runId: "", error: null, eventId: 0, reverting: null },
    owner: {
      ...{ user: role, host: "drizzle", processId: 0, backendPid: 0, backendStart: null },
      ...{ toolVersion: "drizzle", appVersion: null },
    },
  };
}
