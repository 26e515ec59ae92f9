import { randomUUID } from "node:crypto";
import { inspect, isDeepStrictEqual } from "node:util";
import { type Column, eq, getTableColumns, type InferSelectModel } from "drizzle-orm";
import { plural } from "../db/base/text.ts";
import { DatabasePool } from "../db/pool/index.ts";
import {
  type Aggregate,
  createEventStore,
  type EventOf,
  type Intent,
} from "../eventstore/index.ts";
import { reach } from "./catch-up.ts";
import type { Projection, TableMap } from "./definition.ts";
import { inlineHandlers } from "./inline.ts";
import type { RunnerProgress } from "./progress.ts";
import { BATCH_SIZE, projectionSubscriber } from "./subscriber.ts";

export type ScenarioOptions<Tables extends TableMap> = {
  readonly projection: Projection<Tables>;
} & (
  | { readonly pool: DatabasePool }
  /** A migrated database; a pool is opened for each scenario. */
  | { readonly url: string }
);

/** Columns that are not named are not looked at. */
export type ExpectedRows<Tables extends TableMap> = {
  readonly [Name in keyof Tables]?: readonly Partial<InferSelectModel<Tables[Name]>>[];
};

export interface ProjectionScenario<Tables extends TableMap> {
  /** Events of one aggregate, appended through the store, after those given before. */
  readonly given: <A extends Aggregate>(
    aggregate: A,
    id: string,
    events: readonly EventOf<A>[],
    by?: { readonly owner?: string; readonly creator?: string },
  ) => ProjectionScenario<Tables>;
  /**
   * The tables named have exactly these rows, in any order. Throws an error that shows both sides;
   * also where an event cannot be handled.
   */
  readonly thenRows: (expected: ExpectedRows<Tables>) => Promise<void>;
  /** These aggregates, and no others, are put aside. Not for inline projections. */
  readonly thenQuarantined: (ids: readonly string[]) => Promise<void>;
}

/**
 * Tests a projection against a database, in any test runner:
 *
 *   await projectionScenario({ pool, projection })
 *     .given(user, "u1", [{ type: "user.machine.added", payload: { … } }])
 *     .thenRows({ users: [{ id: "u1", state: "active" }] });
 *
 * Each scenario runs in instances of its own, so that many can share a database: in one the events
 * come in one batch, in another one at a time, and the rows must be the same.
 */
export function projectionScenario<Tables extends TableMap>(
  options: ScenarioOptions<Tables>,
): ProjectionScenario<Tables> {
  return withGiven(options, []);
}

type Given = (instanceId: string) => Intent;
type Quarantine = Extract<RunnerProgress, { kind: "quarantined" }>;

function withGiven<Tables extends TableMap>(
  options: ScenarioOptions<Tables>,
  givens: readonly Given[],
): ProjectionScenario<Tables> {
  const inEachWay = async (check: (run: Run) => Promise<void>) => {
    const pool = "pool" in options ? options.pool : new DatabasePool({ url: options.url });
    try {
      for (const batchSize of [BATCH_SIZE, 1]) {
        await check(await run(pool, options.projection, givens, batchSize));
      }
    } finally {
      if (!("pool" in options)) await pool.close();
    }
  };
  return {
    given: (aggregate, id, events, { owner = "o1", creator = "c1" } = {}) => {
      const intent: Given = (instanceId) => {
        return { aggregate, instanceId, id, owner, creator, expected: "any", events };
      };
      return withGiven(options, [...givens, intent]);
    },
    thenRows: (expected) =>
      inEachWay(async (result) => {
        const [failed] = result.quarantined;
        if (failed !== undefined) {
          throw new Error(
            `${failed.eventType} of ${failed.aggregateId} cannot be handled: ${failed.error}`,
          );
        }
        for (const [name, rows] of Object.entries(expected)) {
          if (rows !== undefined) await compareTable(result, name, rows);
        }
      }),
    thenQuarantined: (ids) =>
      inEachWay(async ({ quarantined, way }) => {
        const found = quarantined.map(({ aggregateId }) => aggregateId);
        if (isDeepStrictEqual(found.toSorted(), ids.toSorted())) return;
        throw new Error(
          `Others are put aside${way}.\nexpected ${inspect(ids)}\nactual   ${inspect(quarantined)}`,
        );
      }),
  };
}

interface Run {
  readonly pool: DatabasePool;
  readonly tables: TableMap;
  readonly instanceId: string;
  readonly quarantined: readonly Quarantine[];
  /** For messages: how the events came. */
  readonly way: string;
}

async function run(
  pool: DatabasePool,
  projection: Projection,
  givens: readonly Given[],
  batchSize: number,
): Promise<Run> {
  const instanceId = `scenario-${randomUUID()}`;
  const store = createEventStore({ pool, inline: inlineHandlers([projection]) });
  for (const given of givens) await store.push([given(instanceId)]);
  const quarantined: Quarantine[] = [];
  if (projection.mode === "async") {
    const context = {
      pool,
      report: (item: RunnerProgress) => {
        if (item.kind === "quarantined") quarantined.push(item);
      },
      signal: new AbortController().signal,
      statementTimeoutMs: 60_000,
      haltedRetryMs: 0,
    };
    const subscriber = projectionSubscriber(projection, { batchSize });
    await reach(context, subscriber, instanceId, () => store.barrier(instanceId));
  }
  const way = batchSize === 1 ? " when the events come one at a time" : "";
  return { pool, tables: projection.tables, instanceId, quarantined, way };
}

async function compareTable(
  { pool, tables, instanceId, way }: Run,
  name: string,
  expected: readonly object[],
): Promise<void> {
  const table = tables[name];
  if (table === undefined) throw new Error(`The projection has no table ${name}.`);
  const column: Column | undefined = getTableColumns(table).instanceId;
  if (column === undefined) throw new Error(`The table ${name} has no column instanceId.`);
  const found = await pool.drizzle.select().from(table).where(eq(column, instanceId));
  const left = [...found];
  const missing = expected.filter((row) => {
    const at = left.findIndex((candidate) => holds(candidate, row));
    if (at === -1) return true;
    left.splice(at, 1);
    return false;
  });
  if (missing.length === 0 && left.length === 0) return;
  const show = (value: unknown) => inspect(value, { depth: 6, breakLength: 100 });
  throw new Error(
    `${name} has other rows${way}: ${plural(missing.length, "row")} missing, ${left.length} too many.
expected ${show(expected)}\nactual   ${show(found)}`,
  );
}

function holds(row: object, expected: object): boolean {
  const values = row as Readonly<Record<string, unknown>>;
  return Object.entries(expected).every(([key, value]) => isDeepStrictEqual(values[key], value));
}
