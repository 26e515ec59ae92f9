import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { z } from "zod";
import { Problem } from "../../src/db/base/problem.ts";
import { DatabasePool } from "../../src/db/pool/index.ts";
import {
  createEventStore,
  defineAggregate,
  type EventStore,
  type EventStoreOptions,
  event,
  type StoredEventOf,
} from "../../src/eventstore/index.ts";
import { createDatabase, type TestDatabase } from "./database.ts";

/** An aggregate for tests of the event store, which knows none of the application's. */
export const account = defineAggregate({
  type: "account",
  events: {
    "account.opened": event(z.object({ holder: z.string().min(1) })),
    "account.credited": event(
      z.object({ amount: z.number().int().positive(), note: z.string().optional() }),
      {
        revision: 2,
        upcasts: { 1: ({ cents }) => ({ amount: Number(cents) / 100 }) },
      },
    ),
    "account.closed": event(z.object({})),
  },
});

export interface AccountState {
  readonly holder: string;
  readonly balance: number;
}

export type AccountCommand =
  | { readonly kind: "open"; readonly holder: string }
  | { readonly kind: "credit"; readonly amount: number }
  | { readonly kind: "close" };

export const accountDecider = account.decider({
  initial: undefined as AccountState | undefined,
  evolve: (state, { type, payload }) => {
    switch (type) {
      case "account.opened":
        return { holder: payload.holder, balance: 0 };
      case "account.credited":
        return state && { ...state, balance: state.balance + payload.amount };
      case "account.closed":
        return undefined;
    }
  },
  decide: (state, command: AccountCommand) => {
    if (command.kind === "open") {
      const { holder } = command;
      return {
        events: [{ type: "account.opened", payload: { holder } }],
        claim: [{ type: "holder", value: holder }],
      };
    }
    if (state === undefined) {
      throw new Problem({ code: "not_found", fact: "No such account.", remedy: "Open it." });
    }
    if (command.kind === "credit") {
      const { amount } = command;
      return amount === 0 ? [] : [{ type: "account.credited", payload: { amount } }];
    }
    return {
      events: [{ type: "account.closed", payload: {} }],
      release: [{ type: "holder", value: state.holder }],
    };
  },
});

export const opened = (holder = "Ada") =>
  ({ type: "account.opened", payload: { holder } }) as const;
export const credited = (amount: number) =>
  ({ type: "account.credited", payload: { amount } }) as const;

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
