import { identifier } from "../../db/base/quote.ts";
import type { Transaction } from "../../db/pool/index.ts";
import { fatalOf, isNotOfTheEvent, textOf } from "../failures.ts";
import { readPage } from "../page.ts";
import { ensurePosition, lockPosition, movePosition, restorePlanner } from "../position.ts";
import { ProjectionError } from "../projection-error.ts";
import { BATCH_SIZE } from "../subscriber.ts";
import { dependentViews, refuseDependents, tableOids } from "./dependents.ts";
import { isPrepared } from "./prepare.ts";
import {
  type RebuildContext,
  rebuildName,
  rebuildSchema,
  replacedSchema,
} from "./rebuild-context.ts";
import { holdInline, holdPositions, newcomers, type Target } from "./swap-locks.ts";
import { copyTables } from "./table-copy.ts";

const IDLE_TIMEOUT_MS = 15_000;

/**
 * Puts the new tables in the place of the live ones, in this transaction: nothing writes the live
 * ones any more, the new ones are brought to where those are, and readers see the one or the other.
 *
 * @throws what `lock_timeout` leads to; ProjectionError `rebuild_failed`, `not_rebuildable`
 */
export async function swapTables(
  tx: Transaction,
  context: RebuildContext,
  lockTimeoutMs: number,
): Promise<void> {
  const { projection, tables, statementTimeoutMs } = context;
  await tx.query(
    `select set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true),
       set_config('idle_in_transaction_session_timeout', $3, true)`,
    [`${lockTimeoutMs}ms`, `${statementTimeoutMs}ms`, `${IDLE_TIMEOUT_MS}ms`],
  );
  const isInline = projection.mode === "inline";
  if (isInline) await refuseQuarantined(tx, context);
  const targets = isInline ? await holdInline(tx, projection) : await holdPositions(tx, projection);
  for (const target of targets) await catchUpWithin(tx, context, target);
  const live = tables.map(({ schema, name }) => `${identifier(schema)}.${identifier(name)}`);
  await tx.query(`lock table ${live.join(", ")} in access exclusive mode`);
  for (const target of await newcomers(tx, projection, targets)) {
    await catchUpWithin(tx, context, target);
  }
  await exchange(tx, context);
  await (isInline ? forget(tx, context) : takeOverPositions(tx, context));
}

/** Handles what came since the last round. Few events, usually none. */
async function catchUpWithin(
  tx: Transaction,
  context: RebuildContext,
  { instanceId, upTo }: Target,
): Promise<void> {
  const { subscriber, statementTimeoutMs, signal } = context;
  const key = { name: subscriber.name, instanceId };
  await ensurePosition(tx, key);
  for (;;) {
    const locked = await lockPosition(tx, key, {
      ...subscriber,
      statementTimeoutMs,
      isDurable: true,
    });
    if (locked === undefined) {
      throw new ProjectionError({
        code: "busy",
        fact: `Another process writes the new tables of ${context.projection.name}.`,
        outcome: "rolled-back",
        remedy: "Let one of them end.",
      });
    }
    if (locked.position >= upTo) return restorePlanner(tx, locked);
    const page = await readPage(tx, locked, upTo, subscriber.kinds, BATCH_SIZE);
    try {
      if (page.events.length > 0) await subscriber.apply(tx, page.events, signal);
    } catch (error) {
      if (isNotOfTheEvent(error) || fatalOf(error) !== undefined) throw error;
      throw anotherRound(context, error);
    }
    await movePosition(tx, key, page.position, page.events.at(-1));
  }
}

/** Outside of the swap the failing event is looked for, and its aggregate put aside. */
function anotherRound({ projection }: RebuildContext, cause: unknown): ProjectionError {
  return new ProjectionError({
    code: "busy",
    fact: `The handler of ${projection.name} failed during the swap: ${textOf(cause)}`,
    outcome: "rolled-back",
    remedy: "Try again.",
    cause,
  });
}

async function exchange(tx: Transaction, { projection, tables }: RebuildContext): Promise<void> {
  await tx.query("select set_config('search_path', 'pg_catalog', true)");
  const oids = await tableOids(tx, projection.name, tables);
  await refuseDependents(tx, projection.name, oids);
  const copy = await copyTables(tx, oids, rebuildSchema(projection.name));
  await isPrepared(tx, projection.name, copy);
  const views = await dependentViews(tx, oids);
  const replaced = identifier(replacedSchema(projection.name));
  const rebuilt = identifier(rebuildSchema(projection.name));
  await tx.query(`create schema ${replaced}`);
  for (const { schema, name } of tables) {
    const table = identifier(name);
    await tx.query(`alter table ${identifier(schema)}.${table} set schema ${replaced}`);
    await tx.query(`alter table ${rebuilt}.${table} set schema ${identifier(schema)}`);
  }
  for (const { statement } of views) await tx.query(statement);
  // Not CASCADE: what nobody knew of must not go with them.
  await tx.query(
    `drop table ${tables.map(({ name }) => `${replaced}.${identifier(name)}`).join(", ")}`,
  );
  await tx.query(`drop schema ${replaced}`);
  await tx.query(`drop schema ${rebuilt}`);
}

async function takeOverPositions(tx: Transaction, { projection }: RebuildContext): Promise<void> {
  const names = [projection.name, rebuildName(projection.name)];
  await tx.query(
    `update projections.current_states live
     set position = r.position, last_updated = r.last_updated, aggregate_type = r.aggregate_type,
       aggregate_id = r.aggregate_id, sequence = r.sequence, event_date = r.event_date
     from projections.current_states r
     where live.projection_name = $1 and r.projection_name = $2 and r.instance_id = live.instance_id`,
    names,
  );
  await tx.query("delete from projections.failed_events where projection_name = $1", [names[0]]);
  await tx.query(
    "update projections.failed_events set projection_name = $1 where projection_name = $2",
    names,
  );
  await tx.query("delete from projections.current_states where projection_name = $1", [names[1]]);
}

async function forget(tx: Transaction, { projection }: RebuildContext): Promise<void> {
  await tx.query("delete from projections.current_states where projection_name = $1", [
    rebuildName(projection.name),
  ]);
}

/** An append that fails is undone: there is no such thing as an inline projection without an aggregate. */
async function refuseQuarantined(tx: Transaction, { projection }: RebuildContext): Promise<void> {
  const row = await tx.queryOne<{ aggregate: string; error: string }>(
    `select instance_id || '/' || aggregate_type || '/' || aggregate_id as aggregate, error
     from projections.failed_events where projection_name = $1 limit 1`,
    [rebuildName(projection.name)],
  );
  if (row === undefined) return;
  throw new ProjectionError({
    code: "rebuild_failed",
    fact: `The inline projection ${projection.name} cannot handle ${row.aggregate}: ${row.error}`,
    outcome: "rolled-back",
    remedy: "Correct its handler, abandon this rebuild, and start another one.",
  });
}
