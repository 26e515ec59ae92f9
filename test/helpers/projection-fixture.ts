import { afterAll, beforeAll, beforeEach } from "vitest";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore, type EventStore } from "../../src/eventstore/index.ts";
import {
  createProjectionRunner,
  type ProjectionRunner,
  type RunnerOptions,
  type RunnerProgress,
} from "../../src/projections/index.ts";
import { createDatabase } from "./database.ts";
import { emptyTallies } from "./tally.ts";

export interface ObservedRunner extends ProjectionRunner {
  readonly progress: readonly RunnerProgress[];
  /** What was told of one kind. */
  of<K extends RunnerProgress["kind"]>(kind: K): readonly Extract<RunnerProgress, { kind: K }>[];
}

export interface ProjectionFixture {
  readonly url: string;
  readonly pool: DatabasePool;
  readonly store: EventStore;
  /** The position before the test's first event. */
  readonly base: number;
  /** A runner that is stopped after the test. */
  runner(options: Omit<RunnerOptions, "pool" | "store">): ObservedRunner;
  state(name?: string, instanceId?: string): Promise<Record<string, unknown> | undefined>;
  failures(): Promise<readonly Record<string, unknown>[]>;
  tallies(): Promise<readonly { id: string; total: number; sequences: readonly number[] }[]>;
  steps(): Promise<number>;
}

/**
 * A migrated database for the file, with the tables of tallies, a pool and a store over it. Each test
 * finds it without events, positions and rebuilds, and with tables that nobody has changed.
 */
export function useProjections(): ProjectionFixture {
  let current: { url: string; pool: DatabasePool; store: EventStore } | undefined;
  let base = 0;
  const runners: ProjectionRunner[] = [];
  const now = () => {
    if (current === undefined) throw new Error("no test is running: it has no database");
    return current;
  };
  let drop: () => Promise<void> = async () => undefined;
  beforeAll(async () => {
    const database = await createDatabase({ template: "migrated" });
    drop = database.drop;
    const pool = new DatabasePool({ url: database.url });
    current = { url: database.url, pool, store: createEventStore({ pool }) };
  });
  afterAll(async () => {
    await current?.pool.close();
    await drop();
  });
  beforeEach(async () => {
    const { pool, store } = now();
    await emptyTallies(pool);
    base = (await store.barrier("i1")) ?? 0;
    return async () => {
      await Promise.all(runners.splice(0).map((runner) => runner.stop({ timeoutMs: 2_000 })));
    };
  });
  return {
    get url() {
      return now().url;
    },
    get pool() {
      return now().pool;
    },
    get store() {
      return now().store;
    },
    get base() {
      now();
      return base;
    },
    runner: (options) => {
      const progress: RunnerProgress[] = [];
      const { pool, store } = now();
      const onProgress = (item: RunnerProgress) => {
        progress.push(item);
        options.onProgress?.(item);
      };
      const runner = createProjectionRunner({ pool, store, ...options, onProgress });
      runners.push(runner);
      return {
        ...runner,
        progress,
        of: <K extends RunnerProgress["kind"]>(kind: K) =>
          progress.filter(
            (item): item is Extract<RunnerProgress, { kind: K }> => item.kind === kind,
          ),
      };
    },
    state: (name = "tallies", instanceId = "i1") =>
      now().pool.queryOne(
        "select * from projections.current_states where projection_name = $1 and instance_id = $2",
        [name, instanceId],
      ),
    failures: () =>
      now().pool.query("select * from projections.failed_events order by last_failed"),
    tallies: () =>
      now().pool.query(
        "select id, total, sequences from projections.tallies order by instance_id, id",
      ),
    steps: async () => {
      const row = await now().pool.queryOne<{ n: number }>(
        "select count(*)::int as n from projections.tally_steps",
      );
      return row?.n ?? 0;
    },
  };
}
