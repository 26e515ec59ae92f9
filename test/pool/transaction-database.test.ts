import { describe, expect, test } from "vitest";
import { currentStates } from "../../src/db/schema/index.ts";
import { usePools, write } from "../helpers/pool-fixture.ts";

const pools = usePools("migrated");
const first = { run: 1, part: 1 };
const second = { run: 1, part: 2 };

describe("transaction", () => {
  test("commits what it did and returns what it returned", async () => {
    const result = await pools.open().transaction(async (transaction) => {
      await write(transaction, 1, 1);
      expect(await pools.notes()).toEqual([]);
      return transaction.queryOne("select count(*) as count from notes");
    });
    expect(result).toEqual({ count: 1 });
    expect(await pools.notes()).toEqual([first]);
  });

  test("rolls back and rejects with the very error", async () => {
    const pool = pools.open({ max: 1 });
    const error = new Error("no");
    const failed = pool.transaction(async (transaction) => {
      await write(transaction, 1, 1);
      throw error;
    });
    await expect(failed).rejects.toBe(error);
    await write(pool, 1, 2);
    expect(await pools.notes()).toEqual([second]);
  });

  test.each(["read committed", "repeatable read", "serializable"] as const)(
    "runs as %s, read only, when told to",
    async (isolationLevel) => {
      const options = { isolationLevel, accessMode: "read only" } as const;
      const shown = pools.open().transaction(async (transaction) => {
        const row = await transaction.queryOne(
          "select current_setting('transaction_isolation') as level",
        );
        expect(row).toEqual({ level: isolationLevel });
        await write(transaction, 1, 1);
      }, options);
      await expect(shown).rejects.toMatchObject({ code: "25006" });
    },
  );

  test("retries nothing: a serialization failure is the caller's to judge", async () => {
    const pool = pools.open();
    let runs = 0;
    const readThenWrite = (id: number, between: () => Promise<unknown>) =>
      pool.transaction(
        async (transaction) => {
          runs += 1;
          await transaction.query("select count(*) from notes");
          await between();
          await write(transaction, 1, id);
        },
        { isolationLevel: "serializable" },
      );
    const failed = readThenWrite(1, () => readThenWrite(2, async () => undefined));
    await expect(failed).rejects.toMatchObject({ code: "40001" });
    expect(runs).toBe(2);
    expect(await pools.notes()).toEqual([second]);
  });

  test("says so when an ignored error made the server roll back", async () => {
    const ignored = pools.open().transaction(async (transaction) => {
      await write(transaction, 1, 1);
      await transaction.query("select 1 / 0").catch(() => "ignored");
      await write(transaction, 1, 2).catch(() => "ignored");
    });
    await expect(ignored).rejects.toMatchObject({
      code: "transaction_aborted",
      cause: { code: "22012" },
    });
    expect(await pools.notes()).toEqual([]);
  });

  test("reports a constraint that is judged at COMMIT", async () => {
    await pools.admin.query("create table late (id int unique deferrable initially deferred)");
    const late = pools.open().transaction(async (transaction) => {
      await transaction.query("insert into late values (1), (1)");
    });
    await expect(late).rejects.toMatchObject({ code: "23505" });
  });

  test.each(["commit", "rollback", "commit and chain"])("refuses %s as a query", async (text) => {
    const pool = pools.open({ max: 1 });
    const hidden = pool.transaction(async (transaction) => {
      await transaction.query(text).catch(() => "ignored");
      await write(transaction, 1, 1);
    });
    await expect(hidden).rejects.toMatchObject({ code: "transaction_control" });
    expect(await pools.notes()).toEqual([]);
    expect(await pool.queryOne("select 1 as a")).toEqual({ a: 1 });
  });

  test("takes its handle back when it ends", async () => {
    const pool = pools.open({ max: 1 });
    const kept = await pool.transaction(async (transaction) => ({ transaction }));
    await expect(write(kept.transaction, 1, 1)).rejects.toMatchObject({
      code: "transaction_over",
    });
    await expect(kept.transaction.drizzle.select().from(currentStates)).rejects.toMatchObject({
      cause: { code: "transaction_over" },
    });
    expect(await pools.notes()).toEqual([]);
  });

  test("runs queries that were not awaited before it commits", async () => {
    const floating: Promise<unknown>[] = [];
    await pools.open().transaction(async (transaction) => {
      floating.push(write(transaction, 1, 1), write(transaction, 1, 2));
    });
    await Promise.all(floating);
    expect(await pools.notes()).toEqual([first, second]);
  });
});
