import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { DatabasePool } from "../../src/db/pool/index.ts";
import {
  createEventStore,
  type EventStore,
  type EventStoreOptions,
  type StoredEventOf,
} from "../../src/eventstore/index.ts";
import { account } from "./account-definition.ts";
import { createDatabase, type TestDatabase } from "./database.ts";

export {
  type AccountState,
  account,
  accountDecider,
  credited,
  opened,
} from "./account-definition.ts";

export interface StoreFixture {
  readonly url: string;
  readonly pool: DatabasePool;
  readonly store: EventStore;
  /** A store with other options. */
  readonly open: (options: Partial<EventStoreOptions>) => EventStore;
  /** The test's own instance: what it appends is no other test's. */
  readonly instance: string;
  /** An account of it, in the name of a teller. */
  readonly at: (id: string, instanceId?: string) => ReturnType<typeof account.at>;
  readonly eventsOf: (id: string) => Promise<readonly StoredEventOf<typeof account>[]>;
}

/** For a test file a migrated database and a store on it, for each test an instance. */
export function useStore(): StoreFixture {
  let database: TestDatabase;
  let pool: DatabasePool;
  let instance: string;
  const open = (options: Partial<EventStoreOptions>) =>
    createEventStore({ pool, checkReads: true, ...options });
  beforeAll(async () => {
    database = await createDatabase({ template: "migrated" });
    pool = new DatabasePool({ url: database.url });
  });
  beforeEach(() => {
    instance = `i-${randomUUID()}`;
  });
  afterAll(async () => {
    await pool?.close();
    await database?.drop();
  });
  return {
    open,
    get url() {
      return database.url;
    },
    get pool() {
      return pool;
    },
    get store() {
      return open({});
    },
    get instance() {
      return instance;
    },
    at: (id, instanceId = instance) =>
      account.at({ instanceId, id, owner: "bank", creator: "teller" }),
    eventsOf: async (id) => {
      const events = [];
      for await (const event of open({}).readAggregate(account, { instanceId: instance, id })) {
        events.push(event);
      }
      return events;
    },
  };
}
