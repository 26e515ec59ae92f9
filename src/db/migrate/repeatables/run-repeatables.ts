import { ask, columnOf, transact } from "../../connection/ask.ts";
import { secondConnection } from "../../connection/second.ts";
import { isServerError, type Row, type ServerError } from "../../connection/session.ts";
import { watchBlockers } from "../execute/blockers.ts";
import { pauseAfterTry } from "../execute/lock-retry.ts";
import { MARKER } from "../execute/transaction.ts";
import { EMPTY_HEAD } from "../history/checksum.ts";
import { LeaseLost } from "../lease/lost.ts";
import { pauseUnderLease } from "../lease/renew.ts";
import { fence } from "../lease/sql.ts";
import { COPY } from "../ledger/event-copy.ts";
import { DURATION, type NewEvent, record } from "../ledger/record.ts";
import { settleRepeatables } from "../ledger/repeatable-rows.ts";
import { isContended, isLockConflict } from "../ledger/server-error.ts";
import type { RepeatableRun } from "../plan/repeatable-plan.ts";
import type { RepeatableReason, RepeatableRow } from "../repeatable-types.ts";
import type { HeldRun } from "../run-types.ts";
import type { Checksum, Tag } from "../types.ts";
import { findDependents } from "./dependents.ts";
import { labelOf } from "./made-objects.ts";
import type { ParsedRepeatable } from "./parse-repeatables.ts";
import { canBeReplaced, targetsOf, unitOf } from "./replace.ts";
import { lookStillThere } from "./still-there.ts";
import { recordUnitFailure, recordUnitStop } from "./unit-failure.ts";
import { type Unit, unitMessage, unitStage } from "./unit-message.ts";
import type { RepeatableWork, UnitFailure, UnitRun } from "./unit-run.ts";

/**
 * Runs repeatables under the lease, in the order of what they need, each in a transaction that also records it.
 *
 * @throws MigrateError `migration_failed`, `lock_timeout`, `canceled`; LeaseLost; SessionLost
 */
export async function runRepeatables(run: HeldRun, work: RepeatableWork): Promise<void> {
  const due = new Map(work.runs.map((one) => [one.repeatable.tag, one.why]));
  const { size: total } = due;
  const second = secondConnection(run.url, run.onFailpoint);
  const watch = watchBlockers(run, second);
  try {
    for (const one of work.all) {
      if (!due.has(one.tag)) continue;
      const index = total - due.size;
      run.onProgress({ kind: "repeatable-started", tag: one.tag, index, total });
      watch.begin(one.tag);
      await runOne({ run, work, one, due, watch });
    }
  } finally {
    watch.stop();
    second.close();
  }
  if (total === 0 && work.digest !== undefined) await settle(run, work.digest);
}

/**
 * After migrations: what is to run again because something that it made is gone. Of those that are not in the folder
 * and of which nothing is left, that is recorded; where others make it now, it is not theirs once a migration has
 * run since: an older release with the file runs none of its texts then.
 *
 * @param head the database's
 */
export async function findDropped(
  run: HeldRun,
  all: readonly ParsedRepeatable[],
  head: Checksum,
  { runs, rows, onCopied }: Pick<RepeatableWork, "runs" | "rows" | "onCopied">,
): Promise<readonly RepeatableRun[]> {
  const due = new Set(runs.map(({ repeatable }) => repeatable.tag));
  const onDisk = new Map(all.map((one) => [one.tag, one]));
  const known = [...rows.values()].filter(({ checksum }) => checksum !== null);
  const there = await lookStillThere(
    run,
    known.map(({ tag, made }) => onDisk.get(tag)?.makes ?? made),
  );
  const others = new Set(all.flatMap(({ makes }) => makes.map(labelOf)));
  const isOfOthers = ({ made, head: then }: RepeatableRow) =>
    then !== head && made.length > 0 && made.every((one) => others.has(labelOf(one)));
  const gone = known.filter(
    (row, i) => !onDisk.has(row.tag) && (there[i] === "none" || isOfOthers(row)),
  );
  if (gone.length > 0) {
    const events = gone.map(
      ({ tag, attempt, checksum }): NewEvent => ({
        ...{ type: "repeatable.removed", tag, attempt, payload: {} },
        checksum: checksum ?? EMPTY_HEAD,
      }),
    );
    const statements = [
      fence(run, { activity: null }),
      ...record(run, events, { head: null, activity: null }),
    ];
    const copied = columnOf(await transact(run.session, "settle", statements), COPY);
    if (copied !== undefined) onCopied(copied as string | null);
  }
  return known.flatMap((row, i) => {
    const one = onDisk.get(row.tag);
    const isHere = one !== undefined && one.repeatable.checksum === row.checksum;
    if (!isHere || there[i] === "all" || due.has(row.tag)) return [];
    return [{ repeatable: one.repeatable, why: "dropped" as const, row }];
  });
}

/** Remembers that nothing is left to run, where nothing ran. */
async function settle(run: HeldRun, digest: Checksum | null): Promise<void> {
  const statements = [fence(run, { activity: null }), settleRepeatables(run.schema, digest)];
  await transact(run.session, "settle", statements);
}

async function runOne(at: UnitRun): Promise<void> {
  const { run, work, one } = at;
  let unit: Unit = { parts: [one], remade: [] };
  let targets: ReturnType<typeof targetsOf> = [];
  let tries = 0;
  const since = performance.now();
  for (;;) {
    if (run.signal?.aborted) throw await recordUnitStop(at, undefined);
    const failure = await tryUnit(at, unit);
    if (failure === undefined) return;
    const { error, stage } = failure;
    if (stage.kind === "fence" && isContended(error)) {
      throw new LeaseLost(error.message, { cause: error });
    }
    if (isLockConflict(error) && stage.kind !== "fence") {
      tries += 1;
      const pauseMs = pauseAfterTry(run.lockPatience, tries, performance.now() - since);
      if (pauseMs === undefined) throw await recordUnitFailure(at, failure, tries);
      await pauseForLocks(at, failure, tries, pauseMs);
      continue;
    }
    const more = canBeReplaced(failure) ? targetsOf(failure, targets) : [];
    if (more.length === 0) throw await recordUnitFailure(at, failure, undefined);
    targets = [...targets, ...more];
    const found = await findDependents(
      run,
      targets.map(({ made }) => made),
      work,
    );
    const next = unitOf(work.all, unit, found, targets);
    if (next === undefined) throw await recordUnitFailure(at, failure, undefined);
    if (!("unit" in next)) throw await recordUnitFailure(at, failure, undefined, next);
    const older = next.unit.parts.map(({ tag }) => tag).filter((tag) => work.older.includes(tag));
    if (older.length > 0) throw await recordUnitFailure(at, failure, undefined, { older });
    ({ unit } = next);
    const objects = unit.remade.map(({ description }) => description);
    run.onProgress({ kind: "repeatable-remade", tag: one.tag, objects });
  }
}

const NEW_TEXT: ReadonlySet<RepeatableReason | undefined> = new Set(["new", "changed"]);

/** @returns why it failed: nothing of it is left then */
async function tryUnit(at: UnitRun, unit: Unit): Promise<UnitFailure | undefined> {
  const { run, work, one, due } = at;
  const events = unit.parts.map(({ tag, repeatable, makes }): NewEvent => {
    const attempt = (work.rows.get(tag)?.attempt ?? 0) + 1;
    const why = due.get(tag) ?? "remade";
    const subject = { tag, attempt, checksum: repeatable.checksum };
    return { type: "repeatable.done", ...subject, payload: { why, made: makes } };
  });
  const left = [...due.keys()].filter((tag) => unit.parts.every((part) => part.tag !== tag));
  const isLast = left.length === 0 && work.digest !== undefined;
  const isSameText = (tag: Tag) => !NEW_TEXT.has(due.get(tag));
  const message = unitMessage(run, unit, { activity: one.tag, isSameText }, [
    ...record(run, events, { head: null, activity: left[0] ?? null }),
    ...(isLast && work.digest !== undefined ? [settleRepeatables(run.schema, work.digest)] : []),
  ]);
  let marker: number | undefined;
  let durationMs = 0;
  let copy: string | null | undefined;
  const onRow = (row: Row) => {
    if (MARKER in row) marker = Number(row[MARKER]);
    else if (DURATION in row) durationMs = Number(row[DURATION]);
    else if (COPY in row) copy = row[COPY] as string | null;
  };
  try {
    const { reply } = await run.session.send(`repeatable:${one.tag}`, message.text, { onRow });
    await reply;
  } catch (error) {
    if (!isServerError(error)) throw error;
    await endTransaction(run);
    return { unit, message, stage: unitStage(message, marker), error };
  }
  if (copy !== undefined) work.onCopied(copy);
  for (const { tag } of unit.parts) {
    const ran = { tag, why: due.get(tag) ?? "remade", durationMs } as const;
    due.delete(tag);
    work.onRan(ran);
    run.onProgress({ kind: "repeatable-done", ...ran });
  }
  return undefined;
}

async function endTransaction({ session }: HeldRun): Promise<void> {
  await ask(session, "rollback", "rollback");
}

async function pauseForLocks(
  at: UnitRun,
  { error }: { readonly error: ServerError },
  tries: number,
  pauseMs: number,
): Promise<void> {
  const { run, one, watch } = at;
  const of = run.lockPatience.lockTries;
  const blockers = watch.seen();
  const reason = error.message;
  run.onProgress({ kind: "lock-retry", tag: one.tag, reason, tries, of, pauseMs, blockers });
  try {
    await pauseUnderLease(run, pauseMs);
  } catch (stopped) {
    if (!run.signal?.aborted) throw stopped;
    throw await recordUnitStop(at, error);
  }
}
