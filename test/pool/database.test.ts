import { inspect } from "node:util";
import { eq, sql } from "drizzle-orm";
import { afterEach, describe, expect, test, vi } from "vitest";
import { currentStates } from "../../src/db/schema/index.ts";
import { usePools, write } from "../helpers/pool-fixture.ts";

const pools = usePools("migrated");
const first = { run: 1, part: 1 };

afterEach(() => pools.admin.query("truncate projections.current_states"));

const state = {
  instanceId: "i1",
  projectionName: "boats",
  position: 7,
  lastUpdated: new Date("2026-01-02T03:04:05.678Z"),
} as const;

describe("query", () => {
  test("sends and reads values of every common type", async () => {
    const values = await pools.open().queryOne(
      `select
         $1::int8 as int8, $2::text as text, $3::bool as bool, $4::timestamptz as instant,
         $5::jsonb as json, $6::text[] as texts, $7::int8[] as numbers, $8::date as day,
         $9::jsonb as list, $10::text as nothing, $11::timestamptz[] as instants,
         $12::bool[] as bools, 9007199254740993 as huge`,
      [
        ...[7, "ä", true, new Date(5), { a: [1] }, ["x", null, 'y"\\,{}', "NULL", ""]],
        ...[[1, 2], "2026-01-02", [1, "a"], null, [new Date(5)], [true, false]],
      ],
    );
    expect(values).toEqual({
      ...{ int8: 7, text: "ä", bool: true, instant: new Date(5), json: { a: [1] } },
      ...{ texts: ["x", null, 'y"\\,{}', "NULL", ""], numbers: [1, 2], day: "2026-01-02" },
      ...{ list: [1, "a"], nothing: null, instants: [new Date(5)], bools: [true, false] },
      huge: 9007199254740993n,
    });
  });

  test("passes on what the server says of a statement", async () => {
    const failed = pools.open().query("select * from nowhere");
    await expect(failed).rejects.toMatchObject({ name: "PostgresError", code: "42P01" });
  });

  test("takes one statement, so that no COMMIT can hide behind another", async () => {
    await expect(pools.open().query("select 1; select 2")).rejects.toMatchObject({ code: "42601" });
  });

  test("refuses an undefined parameter, and the connection stays", async () => {
    const pool = pools.open({ max: 1 });
    const before = await pool.query("select pg_backend_pid()");
    await expect(pool.query("select $1::int, $2::int", [1, undefined])).rejects.toMatchObject({
      code: "parameter",
      message: "Parameter $2 is undefined. Pass null for SQL's NULL.",
    });
    expect(await pool.query("select pg_backend_pid()")).toEqual(before);
  });

  test.each([
    ["begin", "transaction_control"],
    ["start transaction", "transaction_control"],
    ["commit", "transaction_control"],
    ["copy notes to stdout", "unsupported"],
    ["copy notes from stdin", "unsupported"],
  ])("refuses %s and drops the connection it was said on", async (text, code) => {
    const pool = pools.open({ max: 1 });
    await expect(pool.query(text)).rejects.toMatchObject({ name: "DatabaseError", code });
    await write(pool, 1, 1);
    expect(await pools.notes()).toEqual([first]);
  });

  test("queryOne: undefined for no row, the row for one, an error for more", async () => {
    const pool = pools.open();
    expect(await pool.queryOne("select 1 as a where false")).toBeUndefined();
    expect(await pool.queryOne("select 1 as a")).toEqual({ a: 1 });
    await expect(pool.queryOne("select generate_series(1, 3)")).rejects.toMatchObject({
      code: "too_many_rows",
      message: expect.stringContaining("3 rows"),
    });
  });
});

describe("connections", () => {
  test("are at most `max`, however many queries come, and each query is answered", async () => {
    const pool = pools.open({ max: 3 });
    const pids = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const row = await pool.queryOne("select pg_backend_pid() as pid, $1::int as index", [
          index,
        ]);
        expect(row).toMatchObject({ index });
        return (row as { pid: number }).pid;
      }),
    );
    expect(new Set(pids).size).toBe(3);
    expect(await pools.backends()).toHaveLength(3);
  });

  test("are opened when needed and closed when idle", async () => {
    const pool = pools.open({ idleTimeoutMs: 50 });
    expect(await pools.backends()).toEqual([]);
    await pool.query("select 1");
    await vi.waitFor(async () => expect(await pools.backends()).toEqual([]), { timeout: 5_000 });
    expect(await pool.queryOne("select 1 as a")).toEqual({ a: 1 });
  });

  test("that all stay in use are reported, with the remedy", async () => {
    const pool = pools.open({ max: 1, acquireTimeoutMs: 50 });
    // The classic way: the pool inside its own transaction.
    const stuck = pool.transaction(() => pool.query("select 1"));
    await expect(stuck).rejects.toMatchObject({
      code: "pool_exhausted",
      message: expect.stringMatching(
        /All 1 connections .* 50 ms\. Use the transaction's own handle/,
      ),
    });
    expect(await pool.queryOne("select 1 as a")).toEqual({ a: 1 });
  });

  test("keep statements prepared, unless the URL says prepare=false (for poolers)", async () => {
    const kept = "select count(*) from pg_prepared_statements where statement = $1";
    const text = "select $1::int as a";
    for (const [search, count] of [
      ["", 1],
      ["?prepare=false", 0],
    ] as const) {
      const pool = pools.open({ max: 1, url: `${pools.url}${search}` });
      await pool.query(text, [1]);
      expect(await pool.queryOne(kept, [text])).toEqual({ count });
    }
  });

  test("hand notices to onNotice, and drop them without it", async () => {
    const onNotice = vi.fn();
    const print = vi.spyOn(console, "log");
    const text = "do $$ begin raise notice 'hear'; end $$";
    await pools.open({ onNotice }).query(text);
    await pools.open().query(text);
    expect(onNotice.mock.calls).toMatchObject([[{ message: "hear", severity: "NOTICE" }]]);
    expect(print).not.toHaveBeenCalled();
    print.mockRestore();
  });
});

describe("drizzle", () => {
  test("knows the tables, and gives dates, numbers and JSON as they went in", async () => {
    const { drizzle } = pools.open();
    await drizzle.insert(currentStates).values(state);
    const found = await drizzle.query.currentStates.findFirst({
      where: eq(currentStates.projectionName, "boats"),
    });
    expect(found).toEqual({
      ...state,
      aggregateType: null,
      aggregateId: null,
      sequence: null,
      eventDate: null,
    });
    const raw = await drizzle.execute(sql`select last_updated from projections.current_states`);
    expect(raw[0]?.last_updated).toMatch(/^2026-01-02 /);
  });

  test("shares the transaction with plain queries, and nests by savepoints", async () => {
    await pools.open().transaction(async (transaction) => {
      await transaction.drizzle.insert(currentStates).values(state);
      const inner = transaction.drizzle.transaction(async (nested) => {
        await nested.insert(currentStates).values({ ...state, projectionName: "berths" });
        await nested.execute(sql`select 1 / 0`);
      });
      await expect(inner).rejects.toMatchObject({ cause: { code: "22012" } });
      await transaction.query("update projections.current_states set position = 8");
    });
    expect(
      await pools.admin.query("select projection_name, position from projections.current_states"),
    ).toEqual([{ projection_name: "boats", position: 8 }]);
  });

  test("side by side with plain queries, each gets its dates its own way", async () => {
    const text = "select timestamptz '2026-01-02 03:04:05Z' as at";
    await pools.open().transaction(async (transaction) => {
      const rows = await Promise.all([
        transaction.queryOne(text),
        transaction.drizzle.execute(text).then(([row]) => row),
        transaction.queryOne(text),
      ]);
      const date = { at: new Date("2026-01-02T03:04:05Z") };
      expect(rows).toEqual([date, { at: expect.stringMatching(/^2026-01-0/) }, date]);
    });
  });

  test("has transactions of its own, with the same care", async () => {
    const { drizzle } = pools.open({ max: 1 });
    const config = { isolationLevel: "serializable", accessMode: "read only" } as const;
    const refused = drizzle.transaction(
      (nested) => nested.insert(currentStates).values(state),
      config,
    );
    await expect(refused).rejects.toMatchObject({ cause: { code: "25006" } });
    const hidden = drizzle.transaction(async (nested) => {
      await nested.execute(sql`commit`).catch(() => "ignored");
      await nested.insert(currentStates).values(state);
    });
    await expect(hidden).rejects.toMatchObject({ cause: { code: "transaction_control" } });
    expect(
      await pools.admin.query("select projection_name from projections.current_states"),
    ).toEqual([]);
  });
});

describe("a URL that is none", () => {
  test.each(["", "postgres://me:geheim@:x:/y"])("%j is refused, and the password kept", (url) => {
    let error: unknown;
    try {
      pools.open({ url });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({
      code: "config",
      message: expect.stringContaining("postgres://user:password@host"),
    });
    expect(inspect(error)).not.toContain("geheim");
  });
});
