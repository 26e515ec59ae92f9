import { jittered, pause } from "../../db/base/backoff.ts";
import { guarded } from "../../db/base/listener.ts";
import { identifier } from "../../db/base/quote.ts";
import type { DatabasePool } from "../../db/pool/index.ts";
import type { EventStore } from "../../eventstore/index.ts";
import { LEAVE } from "../batch.ts";
import type { Projection } from "../definition.ts";
import { isTransient, textOf } from "../failures.ts";
import { ProjectionError } from "../projection-error.ts";
import { projectionSubscriber } from "../subscriber.ts";
import { buildTables } from "./build.ts";
import { inSchema, namesOf } from "./cloned-tables.ts";
import { liveGuard } from "./live-guard.ts";
import { prepareTables } from "./prepare.ts";
import {
  type RebuildContext,
  type RebuildProgress,
  rebuildName,
  rebuildSchema,
} from "./rebuild-context.ts";
import { takeRebuildLock, withRebuildLock } from "./rebuild-lock.ts";
import { swapTables } from "./swap.ts";

export type { RebuildProgress } from "./rebuild-context.ts";

export interface RebuildOptions {
  /** Two connections at least. */
  readonly pool: DatabasePool;
  readonly store: Pick<EventStore, "barrier">;
  readonly projection: Projection;
  readonly onProgress?: (progress: RebuildProgress) => void;
  /** Ends it; it can be resumed. */
  readonly signal?: AbortSignal;
  /** Events in one transaction, at most. Default 1,000. */
  readonly batchSize?: number;
  /** Default 60,000. */
  readonly statementTimeoutMs?: number;
  /** How long the swap tries to get the tables; each try keeps readers for a moment only. Default 600,000. */
  readonly swapTimeoutMs?: number;
}

export interface RebuildReport {
  /** Handled by this call. */
  readonly events: number;
  /** Aggregates that the new tables are without. */
  readonly quarantined: number;
  readonly tookMs: number;
}

/**
 * Builds the projection's tables anew from all events, beside the live ones, which are read and
 * followed meanwhile; then puts the new ones in their place in one transaction. Interrupted, it goes
 * on where it was.
 *
 * @throws ProjectionError `busy`, `not_rebuildable`, `live_table`, `halted`, `rebuild_failed`;
 * `signal`'s reason
 */
export async function rebuildProjection(options: RebuildOptions): Promise<RebuildReport> {
  const { pool, projection } = options;
  const started = performance.now();
  return withRebuildLock(pool, projection.name, async (lost) => {
    const signals = options.signal === undefined ? [lost] : [lost, options.signal];
    const context = contextOf(options, AbortSignal.any(signals));
    await prepareTables(context);
    let events = 0;
    for (let attempt = 0; ; attempt += 1) {
      events += await buildTables(context);
      if (await trySwap(context, attempt, started, options.swapTimeoutMs ?? 600_000)) break;
    }
    const row = await pool.queryOne<{ count: number }>(
      "select count(*) as count from projections.failed_events where projection_name = $1",
      [projection.name],
    );
    return { events, quarantined: row?.count ?? 0, tookMs: performance.now() - started };
  });
}

function contextOf(options: RebuildOptions, signal: AbortSignal): RebuildContext {
  const { pool, store, projection, batchSize, onProgress, statementTimeoutMs = 60_000 } = options;
  const tables = namesOf(projection.tables);
  const clones = inSchema(projection.tables, rebuildSchema(projection.name));
  const check = liveGuard(projection.name, tables);
  const rebuilt = { ...projection, name: rebuildName(projection.name), tables: clones };
  const subscriber = projectionSubscriber(rebuilt, batchSize === undefined ? {} : { batchSize });
  return {
    pool,
    store,
    projection,
    tables,
    signal,
    statementTimeoutMs,
    report: guarded(onProgress),
    subscriber: {
      ...subscriber,
      apply: (tx, events, stop) => subscriber.apply(tx.checked(check), events, stop),
    },
  };
}

/** Whether it succeeded; if not, the tables were in use, and something may be left to catch up. */
async function trySwap(
  context: RebuildContext,
  attempt: number,
  started: number,
  timeoutMs: number,
): Promise<boolean> {
  const began = performance.now();
  // Short, because readers stand behind it; now and then longer than the second after which the
  // server ends an autovacuum that is in the way.
  const lockTimeoutMs = attempt % 5 === 4 ? 1_500 : 300;
  try {
    await context.pool.transaction((tx) => swapTables(tx, context, lockTimeoutMs), LEAVE);
  } catch (error) {
    const isBusy = error instanceof ProjectionError && error.code === "busy";
    if (!(isBusy || isTransient(error)) || began - started > timeoutMs) throw error;
    if (await wasSwapped(context)) return true;
    context.report({ kind: "swap-waits", attempt: attempt + 1, error: textOf(error) });
    await pause(jittered(Math.min(100 * 2 ** Math.min(attempt, 6), 5_000)), context.signal);
    return false;
  }
  context.report({ kind: "swapped", tookMs: performance.now() - began });
  return true;
}

/** After a COMMIT whose answer was lost. */
async function wasSwapped({ pool, projection }: RebuildContext): Promise<boolean> {
  const found = await pool.queryOne("select from pg_catalog.pg_namespace where nspname = $1", [
    rebuildSchema(projection.name),
  ]);
  return found === undefined;
}

/**
 * Gives up a rebuild that was interrupted: its tables, positions and quarantines are dropped.
 *
 * @returns whether there was one
 * @throws ProjectionError `busy`
 */
export async function abandonRebuild(options: {
  readonly pool: DatabasePool;
  readonly projection: Projection;
}): Promise<boolean> {
  const { pool, projection } = options;
  return pool.transaction(async (tx) => {
    await takeRebuildLock(tx, projection.name);
    const schema = rebuildSchema(projection.name);
    const found = await tx.queryOne("select from pg_catalog.pg_namespace where nspname = $1", [
      schema,
    ]);
    await tx.query(`drop schema if exists ${identifier(schema)} cascade`);
    for (const table of ["current_states", "failed_events"]) {
      await tx.query(`delete from projections.${table} where projection_name = $1`, [
        rebuildName(projection.name),
      ]);
    }
    return found !== undefined;
  });
}
