import { afterAll, beforeAll, beforeEach } from "vitest";
import { type Commands, createCommands, projections } from "../../src/app/aggregates.ts";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore, type EventStore } from "../../src/eventstore/index.ts";
import {
  createProjectionRunner,
  type ProjectionRunner,
  waitFor,
} from "../../src/projections/index.ts";
import { createUserCommands } from "../../src/users/index.ts";
import { createDatabase, type TestDatabase } from "./database.ts";

/** What a hash costs in tests: nothing. */
export const CHEAP = { memoryKiB: 64, passes: 1, lanes: 1 } as const;

export interface UsersFixture {
  readonly url: string;
  readonly pool: DatabasePool;
  readonly store: EventStore;
  readonly commands: Commands;
  /** Of this test alone. */
  readonly instance: string;
  /** Brings the projections to where the instance's events are. */
  readonly project: () => Promise<void>;
  /** The same in every instance, that of the migrations' own events too. */
  readonly projectAll: () => Promise<void>;
}

interface Running {
  readonly database: TestDatabase;
  readonly pool: DatabasePool;
  readonly store: EventStore;
  readonly commands: Commands;
  readonly runner: ProjectionRunner;
}

/**
 * The commands on a migrated database, and a runner that follows. For each test an instance of its
 * own; `each`: a database of its own too, for tests that break it.
 */
export function useUsers({ database = "file" }: { readonly database?: "file" | "each" } = {}) {
  let running: Running | undefined;
  let tests = 0;
  const open = async () => {
    running = await start();
  };
  const close = async () => {
    await running?.runner.stop({ timeoutMs: 2_000 });
    await running?.pool.close();
    await running?.database.drop();
    running = undefined;
  };
  if (database === "file") {
    beforeAll(open);
    afterAll(close);
  }
  beforeEach(async () => {
    tests += 1;
    if (database === "file") return undefined;
    await open();
    return close;
  });
  const now = () => {
    if (running === undefined) throw new Error("no test is running");
    return running;
  };
  const fixture: UsersFixture = {
    get url() {
      return now().database.url;
    },
    get pool() {
      return now().pool;
    },
    get store() {
      return now().store;
    },
    get commands() {
      return now().commands;
    },
    get instance() {
      return `test-${tests}`;
    },
    project: async () => {
      const { pool, store } = now();
      const instanceId = fixture.instance;
      const position = (await store.barrier(instanceId)) ?? 0;
      await Promise.all(
        projections.map((projection) => waitFor({ pool, projection, instanceId, position })),
      );
    },
    projectAll: () => now().runner.catchUp(),
  };
  return fixture;
}

async function start(): Promise<Running> {
  const database = await createDatabase({ template: "migrated" });
  const pool = new DatabasePool({ url: database.url, max: 8 });
  const store = createEventStore({ pool, checkReads: true, onAppended: () => runner.wake() });
  const users = createUserCommands({ store, passwordCost: CHEAP });
  const commands = { ...createCommands({ store }), users };
  const pollMs = { min: 5, max: 50 };
  const runner = createProjectionRunner({ pool, store, projections, pollMs });
  runner.start();
  return { database, pool, store, commands, runner };
}
