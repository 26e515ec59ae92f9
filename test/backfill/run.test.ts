import { expect, test } from "vitest";
import {
  type BackfillDefinition,
  setNotNull,
} from "../../src/db/migrate/code/backfill-definition.ts";
import { openLedgerSession, runHere } from "../helpers/backfill.ts";
import { useDatabase } from "../helpers/database.ts";

const database = useDatabase();

const people = (rows: number) =>
  database.sql.unsafe(`create table people (id bigint primary key, name text, n int not null default 0);
    insert into people select i * 3, 'p' || i from generate_series(1, ${rows}) i`);
const counts = () =>
  database.sql`select n, count(*)::int as rows from people group by n order by n`;
const row = async () => (await database.sql`select * from tidemark.backfills`)[0];

test("each row is filled once, in batches that commit with their checkpoint", async () => {
  await people(10_000);
  const session = await openLedgerSession(database.url);
  const end = await runHere(session, { table: "people", set: "n = t.n + 1", batch: { size: 100 } });
  expect(end).toBe("done");
  expect(await counts()).toEqual([{ n: 1, rows: 10_000 }]);
  expect(await row()).toMatchObject({
    state: "DONE",
    rows_done: "10000",
    position: ["30000"],
    run_id: null,
  });
  expect(Number((await row())?.batches)).toBeGreaterThan(2);
});

test("the size of the batches grows to what the target time allows", async () => {
  await people(30_000);
  const session = await openLedgerSession(database.url);
  await runHere(session, { table: "people", set: "n = t.n + 1", batch: { size: 10, max: 5_000 } });
  expect(await row()).toMatchObject({ batch_size: 5_000 });
  expect(Number((await row())?.batches)).toBeLessThan(40);
});

test("goes by a key of several columns, in its order", async () => {
  await database.sql.unsafe(`create table parts (org text, id uuid, "Line" int, n int not null default 0, primary key (org, id, "Line"));
    insert into parts select 'o' || i % 7, gen_random_uuid(), i from generate_series(1, 5000) i`);
  const session = await openLedgerSession(database.url);
  await runHere(session, { table: "parts", set: "n = n + 1", batch: { size: 33, max: 33 } });
  expect(await database.sql`select n, count(*)::int as rows from parts group by n`).toEqual([
    { n: 1, rows: 5_000 },
  ]);
});

test("fills only the rows that the condition names, and those that came behind its back", async () => {
  await database.sql.unsafe(`create table notes (id uuid primary key default gen_random_uuid(), body text, size int);
    insert into notes (body) select 'b' || i from generate_series(1, 900) i`);
  const session = await openLedgerSession(database.url);
  let added = 0;
  await runHere(session, {
    table: "notes",
    where: "size is null",
    batch: { size: 50, max: 50 },
    run: async ({ query, rows }) => {
      await query(`update notes t set size = length(body) where ${rows}`);
      if (added < 5) {
        added += 1;
        await database.sql`insert into notes (id, body) values (${`00000000-0000-0000-0000-00000000000${added}`}, 'late')`;
      }
    },
  });
  expect(await database.sql`select count(*)::int as left from notes where size is null`).toEqual([
    { left: 0 },
  ]);
});

test("rows that cannot be filled are found by halves and put aside with their keys, the others are filled", async () => {
  await people(2_000);
  await database.sql`update people set name = '' where id in (300, 303, 4500)`;
  const session = await openLedgerSession(database.url);
  const definition = { table: "people", set: "n = n + 10 / length(name)", batch: { size: 500 } };
  await expect(runHere(session, definition)).rejects.toMatchObject({
    message:
      "3 rows of public.people could not be filled:\n  id = 300: division by zero\n  id = 303: division by zero\n  id = 4500: division by zero",
  });
  expect(await database.sql`select count(*)::int as rows from people where n = 0`).toEqual([
    { rows: 3 },
  ]);
  expect(
    await database.sql`select key, tries, error->>'sqlState' as code from tidemark.backfill_rows order by 1`,
  ).toEqual([
    { key: ["300"], tries: 2, code: "22012" },
    { key: ["303"], tries: 2, code: "22012" },
    { key: ["4500"], tries: 2, code: "22012" },
  ]);
  // With the cause gone, only these are filled.
  await database.sql`update people set name = 'x' where id in (300, 303, 4500)`;
  expect(await runHere(session, definition)).toBe("done");
  expect(await database.sql`select count(*)::int as rows from tidemark.backfill_rows`).toEqual([
    { rows: 0 },
  ]);
  expect(await database.sql`select count(*)::int as rows from people where n = 0`).toEqual([
    { rows: 0 },
  ]);
});

test("gives up where more rows fail than its share allows, long before the end", async () => {
  await people(5_000);
  const session = await openLedgerSession(database.url);
  const failing = runHere(session, {
    table: "people",
    set: "n = 1 / (n * 0)",
    batch: { size: 64 },
  });
  await expect(failing).rejects.toMatchObject({
    message: expect.stringMatching(
      /^10 of 10 rows failed, more than maxQuarantined allows \(0\.01\)\. The last one, id = 30: division by zero$/,
    ),
  });
});

test("a column that is not there is no matter of rows: it fails at once", async () => {
  await people(50);
  const session = await openLedgerSession(database.url);
  await expect(runHere(session, { table: "people", set: "nn = 1" })).rejects.toMatchObject({
    message: expect.stringContaining('column "nn" of relation "people" does not exist'),
  });
  expect(await database.sql`select count(*)::int as n from tidemark.backfill_rows`).toEqual([
    { n: 0 },
  ]);
});

test("told to stop, it commits what it has, and goes on from there", async () => {
  await people(3_000);
  const session = await openLedgerSession(database.url);
  const stop = new AbortController();
  let batches = 0;
  const definition: BackfillDefinition = {
    table: "people",
    batch: { size: 100, max: 100 },
    run: async ({ query, rows }) => {
      await query(`update people t set n = n + 1 where ${rows}`);
      batches += 1;
      if (batches === 5) stop.abort(new Error("told to"));
    },
  };
  await expect(runHere(session, definition, { signal: stop.signal })).rejects.toThrow("told to");
  expect(await row()).toMatchObject({ state: "PENDING", run_id: null, rows_done: "500" });
  expect(await runHere(session, definition)).toBe("done");
  expect(await counts()).toEqual([{ n: 1, rows: 3_000 }]);
});

test("paused and canceled by a row of the ledger, from one batch to the next; goes on when it is run again", async () => {
  await people(3_000);
  const session = await openLedgerSession(database.url);
  let asked = false;
  const wanting = (wanted: string | null): BackfillDefinition => ({
    table: "people",
    batch: { size: 100, max: 100 },
    run: async ({ query, rows }) => {
      await query(`update people t set n = n + 1 where ${rows}`);
      if (wanted === null || asked) return;
      asked = true;
      await database.sql`update tidemark.backfills set wanted = ${wanted}`;
    },
  });
  for (const [wanted, end, state] of [
    ["pause", "paused", "PAUSED"],
    ["cancel", "canceled", "CANCELED"],
  ] as const) {
    asked = false;
    expect(await runHere(session, wanting(wanted))).toBe(end);
    expect(await row()).toMatchObject({ state, run_id: null });
  }
  expect(await runHere(session, wanting(null))).toBe("done");
  expect(await counts()).toEqual([{ n: 1, rows: 3_000 }]);
});

test("another process cannot take it, nor another backfill of the same table, while it runs", async () => {
  await people(300);
  const session = await openLedgerSession(database.url);
  const other = await openLedgerSession(database.url);
  const definition: BackfillDefinition = { table: "people", set: "n = n + 1" };
  let tried = 0;
  await runHere(session, {
    table: "people",
    run: async ({ query, rows }) => {
      await query(`update people t set n = n + 1 where ${rows}`);
      if (tried > 0) return;
      tried = 1;
      expect(await runHere(other, definition)).toBeUndefined();
      expect(await runHere(other, definition, { tag: "0002_again" })).toBeUndefined();
    },
  });
  expect(tried).toBe(1);
  expect(await runHere(other, definition, { tag: "0002_again" })).toBe("done");
  expect(await counts()).toEqual([{ n: 2, rows: 300 }]);
});

test("is taken over where its process is gone, and where another has it, it stops and writes nothing", async () => {
  await people(2_000);
  const session = await openLedgerSession(database.url);
  const other = await openLedgerSession(database.url);
  const one: BackfillDefinition = {
    table: "people",
    set: "n = n + 1",
    batch: { size: 100, max: 100 },
  };
  let batches = 0;
  const stolen = runHere(session, {
    table: "people",
    batch: { size: 100, max: 100 },
    run: async ({ query, rows }) => {
      batches += 1;
      if (batches === 3) {
        await database.sql`update tidemark.backfills set expires_at = now() - interval '1 s'`;
        expect(await runHere(other, one)).toBe("done");
      }
      await query(`update people t set n = n + 1 where ${rows}`);
    },
  });
  await expect(stolen).rejects.toThrow("the backfill 0001_fill belongs to another process");
  expect(await counts()).toEqual([{ n: 1, rows: 2_000 }]);
});

test("waits while somebody else waits for a lock on the table, and says why", async () => {
  await people(1_000);
  const session = await openLedgerSession(database.url);
  const reader = await database.sql.reserve();
  await reader`begin`;
  await reader`select count(*) from people`;
  const waiting = database.sql`lock table people in access exclusive mode nowait`.catch(
    () => undefined,
  );
  await waiting;
  const locker = database.sql.begin(async (sql) => {
    await sql`lock table people in access exclusive mode`;
  });
  await expect
    .poll(
      () =>
        database.sql`select count(*)::int as n from pg_locks where not granted and relation = 'people'::regclass`,
    )
    .toEqual([{ n: 1 }]);
  const seen: (string | null)[] = [];
  const end = await runHere(
    session,
    { table: "people", set: "n = n + 1" },
    {
      onProgress: ({ state, reason }) => {
        if (state === "waiting") seen.push(reason);
      },
      onPause: async () => {
        await reader`rollback`;
        reader.release();
        await locker;
      },
    },
  );
  expect(end).toBe("done");
  expect(seen[0]).toBe("1 session waits for a lock on the table");
  expect(await counts()).toEqual([{ n: 1, rows: 1_000 }]);
});

test("a batch that takes too long is rolled back and tried again with half of its rows", async () => {
  await people(400);
  const session = await openLedgerSession(database.url);
  await runHere(session, {
    table: "people",
    set: "n = n + 1, name = name || pg_sleep(0.002)",
    batch: { size: 400, targetMs: 100, longestMs: 300 },
  });
  expect(await counts()).toEqual([{ n: 1, rows: 400 }]);
  expect(Number((await row())?.batch_size)).toBeLessThan(150);
});

test("finalize runs when all rows are filled, a transaction each, and once", async () => {
  await people(500);
  const session = await openLedgerSession(database.url);
  await database.sql`alter table people add column size int`;
  await runHere(session, {
    table: "people",
    set: "size = length(t.name)",
    finalize: setNotNull("people", "size"),
  });
  const columns =
    await database.sql`select attnotnull from pg_attribute where attrelid = 'people'::regclass and attname = 'size'`;
  expect(columns).toEqual([{ attnotnull: true }]);
  expect(await row()).toMatchObject({ finalized: 4 });
  expect(
    await database.sql`select conname from pg_constraint where conrelid = 'people'::regclass and contype = 'c'`,
  ).toEqual([]);
});
