import { beforeEach } from "vitest";
import { type Commands, createCommands, projections } from "../../src/app/aggregates.ts";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore, type EventStore } from "../../src/eventstore/index.ts";
import { createProjectionRunner } from "../../src/projections/index.ts";
import { useDatabase } from "./database.ts";

/** What a hash costs in tests: nothing. */
export const CHEAP = { memoryKiB: 64, passes: 1, lanes: 1 } as const;

export interface UsersFixture {
  readonly url: string;
  readonly pool: DatabasePool;
  readonly store: EventStore;
  readonly commands: Commands;
  /** Brings the projections to where the events are. */
  readonly project: () => Promise<void>;
}

/** For each test of a file the commands on a migrated database, without users. */
export function useUsers(): UsersFixture {
  const database = useDatabase({ template: "migrated" });
  let current: UsersFixture | undefined;
  beforeEach(() => {
    const pool = new DatabasePool({ url: database.url, max: 4 });
    const store = createEventStore({ pool, checkReads: true });
    current = {
      url: database.url,
      pool,
      store,
      commands: createCommands({ store, passwordCost: CHEAP }),
      project: () => createProjectionRunner({ pool, store, projections }).catchUp(),
    };
    return () => pool.close();
  });
  const now = () => {
    if (current === undefined) throw new Error("no test is running");
    return current;
  };
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
    get commands() {
      return now().commands;
    },
    project: () => now().project(),
  };
}
