import { identifier } from "../../base/quote.ts";
import { INSUFFICIENT_PRIVILEGE } from "../../base/sqlstate.ts";
import { ask } from "../../connection/ask.ts";
import { serverWords } from "../../connection/server-words.ts";
import { isServerError, type ServerError } from "../../connection/session.ts";
import type { DrizzleMirror, DrizzleTableName, TakenOver } from "../adopt-types.ts";
import { MigrateError } from "../errors.ts";
import { headOf } from "../history/checksum.ts";
import { transactFenced } from "../lease/hold.ts";
import { LeaseLost } from "../lease/lost.ts";
import { firstStep } from "../lease/sql.ts";
import {
  lockDrizzleTable,
  mirrorMigration,
  setMirror,
  TABLE_CHANGED,
  TABLE_LOCKED,
} from "../ledger/drizzle-mirror.ts";
import { readRows } from "../ledger/read.ts";
import { type NewEvent, record } from "../ledger/record.ts";
import { rowsOf } from "../ledger/replies.ts";
import type { LedgerRow, RunnerRow } from "../ledger-types.ts";
import { type Plan, planRun } from "../plan/plan.ts";
import { renamedRows } from "../plan/renames.ts";
import { ranksOf, rowsAfter, type Takeover } from "../plan/takeover.ts";
import type { HeldRun } from "../run-types.ts";
import type { History } from "../types.ts";
import { lockedTable, withExisting } from "./look.ts";

const MOST_TRIES = 5;

/**
 * Tells the ledger, under the lease and in one transaction, what drizzle's migrator has applied, or under
 * which new names its migrations are known. Nothing where there is nothing of the kind.
 *
 * @returns the ledger's rows as they are then, and what was taken over
 * @throws MigrateError what forbids a run: `adopt_required`, `checksum_mismatch` and the like; `config` where
 *   the role may not write to drizzle's table; LeaseLost
 */
export async function takeOver(
  run: HeldRun,
  history: History,
  ledger: { readonly runner: RunnerRow; readonly rows: readonly LedgerRow[] },
): Promise<{ readonly rows: readonly LedgerRow[]; readonly taken?: TakenOver }> {
  for (let tries = 1; ; tries += 1) {
    const runner = { ...ledger.runner, mirror: run.mirror };
    const now = await withExisting(run.session, run, history, { runner, rows: ledger.rows });
    const plan = planRun(history, now, run.plan);
    const problem = plan.problems.find(({ code }) => code !== "out_of_order");
    if (problem !== undefined) throw problem;
    const mirror = mirrorAfter(run, plan.takeover);
    const events = eventsOf(history, now.rows, plan);
    if (events.length === 0 && isSame(mirror, run.mirror)) return { rows: now.rows };
    try {
      await commit(run, plan, { events, mirror, head: headAfter(history, now.rows, plan) });
    } catch (error) {
      if (!isServerError(error) || error.code !== TABLE_CHANGED) throw error;
      if (tries === MOST_TRIES) throw new LeaseLost(error.message, { cause: error });
      continue;
    }
    run.mirror = mirror;
    const taken = takenOver(plan, mirror);
    if (events.length > 0) run.onProgress({ kind: "taken-over", ...taken });
    const { schema, session } = run;
    return { rows: rowsOf(await ask(session, "read", readRows(schema))), taken };
  }
}

async function commit(
  run: HeldRun,
  { takeover }: Plan,
  write: {
    readonly events: readonly NewEvent[];
    readonly mirror: DrizzleMirror | null;
    readonly head: ReturnType<typeof headOf>;
  },
): Promise<void> {
  const { events, mirror, head } = write;
  const lock =
    takeover?.table === undefined || mirror === null
      ? []
      : [lockDrizzleTable(mirror, takeover.table.read)];
  const unwritten = takeover?.adopted.filter(
    ({ by, row }) => row === undefined && by !== "skipped",
  );
  const statements = [
    ...lock,
    ...(unwritten ?? []).flatMap(({ migration }) => mirrorMigration(mirror, migration)),
    setMirror(run.schema, mirror),
    ...record(run, events, { head, activity: "adopt" }),
    firstStep(run),
  ];
  await transactFenced(run, "adopt", { activity: "adopt" }, statements).catch((error: unknown) => {
    if (!isServerError(error) || mirror === null) throw error;
    if (error.code === INSUFFICIENT_PRIVILEGE) throw notAllowed(mirror, error);
    throw error.code === TABLE_LOCKED ? lockedTable(nameOf(mirror), error) : error;
  });
}

/** The table that is kept up to date from here on. */
function mirrorAfter(
  { plan, mirror }: HeldRun,
  takeover: Takeover | undefined,
): DrizzleMirror | null {
  if (plan.mirror === false) return null;
  const table = takeover?.table;
  if (takeover === undefined || table === undefined) return mirror;
  const { schema, table: name, read, rows } = table;
  const isOthers =
    rows.length > 0 &&
    rows.every(({ verdict }) => verdict === "unknown") &&
    takeover.adopted.length === 0;
  const isKnown = mirror !== null && !mirror.isOthers;
  const isShared = mirror?.isShared || plan.answers?.forget?.includes("unknown");
  return {
    ...{ schema, table: name, seen: read.last },
    ...(isOthers && !isKnown && { isOthers }),
    ...(isShared && { isShared }),
  };
}

function isSame(a: DrizzleMirror | null, b: DrizzleMirror | null): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function eventsOf(
  history: History,
  rows: readonly LedgerRow[],
  { takeover, renames }: Plan,
): readonly NewEvent[] {
  const renamed = renamedRows(history, rows, renames);
  const formerly = renames.map(({ from, to }): NewEvent => {
    const rank = renamed.find(({ tag }) => tag === to)?.rank;
    return {
      ...{ type: "migration.adopted", tag: to, attempt: Math.max(from.attempt, 1) },
      checksum: from.checksum,
      payload: { formerly: from.tag, ...(typeof rank === "number" && { rank }) },
    };
  });
  if (takeover === undefined) return formerly;
  const ranks = ranksOf(takeover, history.migrations, renamed);
  const adopted = takeover.adopted.map(({ migration, by, appliedAt, row }): NewEvent => {
    const rank = ranks.get(migration.tag);
    const payload = {
      ...(by !== "skipped" && rank !== undefined && { rank }),
      ...{ by, appliedAt: appliedAt?.toISOString() ?? null },
      ...(row !== undefined && { row }),
    };
    const { tag, checksum } = migration;
    return { type: "migration.adopted", tag, attempt: 1, checksum, payload };
  });
  // Each takes its place among those that are there by then.
  const rankOf = ({ payload }: NewEvent) => ("rank" in payload ? (payload.rank ?? 0) : 0);
  return [...formerly, ...adopted.toSorted((a, b) => rankOf(a) - rankOf(b))];
}

function headAfter(history: History, rows: readonly LedgerRow[], { takeover, renames }: Plan) {
  const renamed = renamedRows(history, rows, renames);
  const after = takeover === undefined ? renamed : rowsAfter(takeover, history, renamed);
  const applied = after.filter(({ state }) => state === "DONE");
  return headOf(applied.toSorted((a, b) => (a.rank ?? 0) - (b.rank ?? 0)));
}

function takenOver({ takeover, renames }: Plan, mirror: DrizzleMirror | null): TakenOver {
  const adopted = takeover?.adopted ?? [];
  const tagsOf = (isWanted: (one: Takeover["adopted"][number]) => boolean) =>
    adopted.filter(isWanted).map(({ migration }) => migration.tag);
  return {
    table: takeover?.table === undefined ? null : nameOf(takeover.table),
    adopted: tagsOf(({ by }) => by !== "skipped"),
    passedOver: tagsOf(({ by }) => by === "skipped"),
    renamed: renames.map(({ from, to }) => ({ from: from.tag, to })),
    mirrored: mirror !== null && !mirror.isOthers,
  };
}

const nameOf = ({ schema, table }: DrizzleTableName) => `${schema}.${table}`;

function notAllowed({ schema, table }: DrizzleMirror, cause: ServerError): MigrateError {
  const name = `${identifier(schema)}.${identifier(table)}`;
  return new MigrateError({
    code: "config",
    fact: `The role may not write to drizzle's table ${name}: ${serverWords(cause)}`,
    outcome: "nothing-run",
    remedy:
      "Tidemark writes to that table too, so that you can go back to drizzle's migrator. Connect as its owner, " +
      `grant the rights (grant select, insert, update on ${name} to …; ` +
      `grant usage on all sequences in schema ${identifier(schema)} to …;), ` +
      "or give up the way back with --no-mirror.",
    cause,
  });
}
