import { describe, expect, test } from "vitest";
import {
  type AccountState,
  account,
  accountDecider,
  credited,
  opened,
  useStore,
} from "../helpers/account.ts";

const fixture = useStore();
const target = (id = "a") => ({
  instanceId: fixture.instance,
  id,
  owner: "bank",
  creator: "teller",
});
const open = { kind: "open", holder: "Ada" } as const;

describe("a command", () => {
  test("is decided on the aggregate's state, and its events are appended", async () => {
    const { store } = fixture;
    await store.execute(accountDecider, target(), open);
    const { events, state, version, position } = await store.execute(accountDecider, target(), {
      kind: "credit",
      amount: 5,
    });
    expect(events).toMatchObject([{ type: "account.credited", sequence: 2 }]);
    expect(state).toEqual({ holder: "Ada", balance: 5 });
    expect(version).toBe(2);
    expect(position).toBe(events[0]?.position);
    expect((await fixture.eventsOf("a")).slice(1)).toEqual(events);
  });

  test("that changes nothing appends nothing", async () => {
    const { store } = fixture;
    await store.execute(accountDecider, target(), open);
    const done = await store.execute(accountDecider, target(), { kind: "credit", amount: 0 });
    expect(done).toMatchObject({ events: [], version: 1, state: { balance: 0 } });
    expect(await fixture.eventsOf("a")).toHaveLength(1);
  });

  test("that is refused appends nothing, and the refusal is what the decision threw", async () => {
    const { store } = fixture;
    const closing = store.execute(accountDecider, target(), { kind: "close" });
    await expect(closing).rejects.toMatchObject({ code: "not_found" });
    expect(await fixture.eventsOf("a")).toEqual([]);
  });

  test("is decided again where another writer came between, as often as told", async () => {
    const { store } = fixture;
    await store.execute(accountDecider, target(), open);
    let decided = 0;
    const racing = account.decider({
      ...accountDecider,
      decide: (state, command: { readonly kind: "credit"; readonly amount: number }) => {
        decided += 1;
        return accountDecider.decide(state, command);
      },
    });
    const credit = { kind: "credit", amount: 1 } as const;
    const done = await Promise.all(
      Array.from({ length: 8 }, () => store.execute(racing, target(), credit, { retries: 50 })),
    );
    expect(done.map(({ version }) => version).toSorted((a, b) => a - b)).toEqual([
      2, 3, 4, 5, 6, 7, 8, 9,
    ]);
    expect(decided).toBeGreaterThan(8);
    const { state } = await store.load(account, target(), accountDecider);
    expect(state).toEqual({ holder: "Ada", balance: 8 });
  });

  test("on a version that is no longer the newest is a conflict, and is not decided again", async () => {
    const { store } = fixture;
    await store.execute(accountDecider, target(), open);
    await store.push([fixture.at("a").append({ expected: 1, events: [credited(1)] })]);
    const late = store.execute(
      accountDecider,
      target(),
      { kind: "credit", amount: 1 },
      { expected: 1 },
    );
    await expect(late).rejects.toMatchObject({
      code: "concurrency_conflict",
      expected: 1,
      actual: 2,
    });
  });

  test("finds the owner in the state", async () => {
    const { store } = fixture;
    await store.execute(accountDecider, target(), open);
    const owner = (state: AccountState | undefined) => `bank of ${state?.holder}`;
    const credit = { kind: "credit", amount: 1 } as const;
    const { events } = await store.execute(accountDecider, { ...target(), owner }, credit);
    expect(events[0]?.owner).toBe("bank of Ada");
  });
});

describe("a snapshot", () => {
  const folds = (version = 1) => ({
    initial: accountDecider.initial,
    evolve: (
      state: AccountState | undefined,
      event: Parameters<typeof accountDecider.evolve>[1],
    ) => {
      folded += 1;
      return accountDecider.evolve(state, event);
    },
    snapshot: { name: "balance", version, every: 5 },
  });
  let folded = 0;
  const load = async (version?: number) => {
    folded = 0;
    const loaded = await fixture.store.load(account, target(), folds(version));
    return { ...loaded, folded };
  };

  test("saves reading what is in it; the state is the same", async () => {
    const { store } = fixture;
    const events = [opened(), ...[1, 2, 3, 4].map(credited)];
    await store.push([fixture.at("a").append({ expected: "none", events })]);
    expect(await load()).toMatchObject({ folded: 5, version: 5, state: { balance: 10 } });
    expect(await load()).toMatchObject({ folded: 0, version: 5, state: { balance: 10 } });
    await store.push([fixture.at("a").append({ expected: 5, events: [credited(5)] })]);
    expect(await load()).toMatchObject({ folded: 1, version: 6, state: { balance: 15 } });
  });

  test("of another version of the fold is not read", async () => {
    const { store } = fixture;
    const events = [opened(), ...[1, 2, 3, 4].map(credited)];
    await store.push([fixture.at("a").append({ expected: "none", events })]);
    await load(1);
    expect(await load(2)).toMatchObject({ folded: 5, state: { balance: 10 } });
    expect(await load(2)).toMatchObject({ folded: 0 });
    expect(await load(1)).toMatchObject({ folded: 5 });
  });

  test("that cannot be written costs nothing but time, and is told", async () => {
    const { pool } = fixture;
    const warnings: unknown[] = [];
    const store = fixture.open({ onWarning: (warning) => warnings.push(warning) });
    const events = [opened(), ...[1, 2, 3, 4].map(credited)];
    await store.push([fixture.at("a").append({ expected: "none", events })]);
    await pool.query(
      "alter table eventstore.snapshots add constraint full_disk check (fold <> 'balance') not valid",
    );
    try {
      const { state } = await store.load(account, target(), folds());
      expect(state).toMatchObject({ balance: 10 });
      expect(warnings).toMatchObject([{ kind: "snapshot-not-written", aggregate: { id: "a" } }]);
    } finally {
      await pool.query("alter table eventstore.snapshots drop constraint full_disk");
    }
  });
});
