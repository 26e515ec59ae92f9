import { describe, expect, test } from "vitest";
import { ownPid, usePools, write } from "../helpers/pool-fixture.ts";
import { started, startSilentServer } from "../helpers/pool-network.ts";

const pools = usePools("empty");

describe("close", () => {
  test("waits for what is running, refuses what comes, and is the same again", async () => {
    const pool = pools.open();
    let finish: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const running = pool.transaction(async (transaction) => {
      await write(transaction, 1, 1);
      await held;
      await write(transaction, 1, 2);
    });
    await pool.query("select 1");
    const closing = pool.close();
    expect(pool.close()).toBe(closing);
    await expect(pool.query("select 1")).rejects.toMatchObject({ code: "closed" });
    finish();
    await running;
    await closing;
    expect(await pools.notes()).toHaveLength(2);
    await expect(pool.drizzle.execute("select 1")).rejects.toMatchObject({
      cause: { name: "DatabaseError", code: "closed" },
    });
  });

  test("drops after timeoutMs what does not end, and lets the server free it", async () => {
    const pool = pools.open({ max: 1 });
    let pid = 0;
    const hanging = pool.transaction(async (transaction) => {
      pid = await ownPid(transaction);
      await write(transaction, 1, 1);
      await transaction.query("select pg_sleep(600)");
    });
    const refused = expect(hanging).rejects.toMatchObject({ code: "closed" });
    const waiting = expect(pool.query("select 1")).rejects.toMatchObject({ code: "closed" });
    await pools.blocked();
    await pool.close({ timeoutMs: 50 });
    await refused;
    await waiting;
    await pools.admin.query("select pg_cancel_backend($1)", [pid]);
    await pools.gone(pid);
    expect(await pools.notes()).toEqual([]);
  });

  test("does not wait for a server that never answers", async () => {
    const { url } = await started(startSilentServer(pools.url));
    const pool = pools.open({ url });
    const refused = expect(pool.query("select 1")).rejects.toMatchObject({ code: "closed" });
    await pool.close({ timeoutMs: 50 });
    await refused;
  });
});
