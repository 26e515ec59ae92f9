import { beforeEach } from "vitest";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore, type EventStore } from "../../src/eventstore/index.ts";
import { type Commands, createCommands, projections } from "../../src/users/index.ts";
import { useDatabase } from "./database.ts";

/** What a hash costs in tests: nothing. */
export const CHEAP = { memoryKiB: 64, passes: 1, lanes: 1 } as const;

export interface UsersFixture {
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
      pool,
      store,
      commands: createCommands({ store, passwordCost: CHEAP }),
      project: async () => {
        for (const _p of projections) {
          await pool.transaction(async (tx) => {
            await tx.query("delete from projections.users");
            await tx.query("delete from projections.orgs");
          });
        }
        const events = [];
        for await (const event of store.readInstance("test")) events.push(event);
        for (const p of projections) {
          const types = new Set(p.handles.flatMap(({ eventTypes }) => eventTypes));
          const batch = events.filter(({ type }) => types.has(type));
          if (batch.length > 0)
            await pool.transaction((tx) => p.handle(tx.drizzle, batch, p.tables));
        }
      },
    };
    return () => pool.close();
  });
  const now = () => {
    if (current === undefined) throw new Error("no test is running");
    return current;
  };
  return {
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
