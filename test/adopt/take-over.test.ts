import { writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { DatabaseMigrator, type MigratorOptions } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { migrateWithDrizzle } from "../helpers/drizzle-migrators.ts";
import { useHistory } from "../helpers/history.ts";
import { readLedgerContent } from "../helpers/ledger.ts";
import { startRunner } from "../helpers/runner-process.ts";

/** That runs a second time without an error: what it inserts tells. */
const CREDITS = {
  "0000_credits": "create table if not exists credits (amount integer not null);",
  "0001_first": "insert into credits values (100);",
} as const;

const database = useDatabase();
const folder = useHistory(CREDITS);

function migrator(options: Partial<MigratorOptions> = {}): DatabaseMigrator {
  return new DatabaseMigrator({ url: database.url, dir: folder.dir, ...options });
}

const byDrizzle = (table?: { schema: string; table: string }) =>
  migrateWithDrizzle("0.x", { url: database.url, dir: folder.dir, ...(table && { table }) });

const sum = async () => {
  const [row] = await database.sql`select sum(amount)::int as sum from credits`;
  return row?.sum;
};

const drizzleRows = () =>
  database.sql`select id, hash, created_at from drizzle.__drizzle_migrations order by id`;

const add = async (tag: string, sql: string) => {
  await folder.write(tag, sql);
  await folder.list([...Object.keys(CREDITS), tag]);
};

describe("what drizzle's migrator has applied is taken over, and never runs again", () => {
  test.each([
    ["by default", { schema: "drizzle", table: "__drizzle_migrations" }],
    ["under another name", { schema: "drizzle", table: "history" }],
    ["in another schema", { schema: "public", table: "__drizzle_migrations" }],
    ["under another name in another schema", { schema: "public", table: "applied" }],
  ])("where its table is %s", async (_name, table) => {
    await byDrizzle(table);
    const before = await migrator().status();
    expect(before).toMatchObject({
      ...{ version: "0001_first", pending: 0, problems: [] },
      drizzle: { table: `${table.schema}.${table.table}`, rows: 2, matched: 2 },
    });
    const report = await migrator().migrate();
    expect(report).toMatchObject({
      ...{ outcome: "current", version: "0001_first", applied: [] },
      takenOver: {
        table: `${table.schema}.${table.table}`,
        adopted: ["0000_credits", "0001_first"],
        mirrored: true,
      },
    });
    expect(await sum()).toBe(100);
    const { events, rows } = await readLedgerContent(database.url);
    expect(events.map(({ type, tag, payload }) => ({ type, tag, payload }))).toEqual(
      ["0000_credits", "0001_first"].map((tag, rank) => ({
        ...{ type: "migration.adopted", tag },
        payload: {
          ...{ rank, row: rank + 1, by: "drizzle" },
          appliedAt: new Date(1_700_000_000_000 + rank).toISOString(),
        },
      })),
    );
    expect(rows.toSorted((a, b) => (a.rank ?? 0) - (b.rank ?? 0))).toMatchObject([
      { tag: "0000_credits", state: "DONE", rank: 0, attempt: 0, durationMs: null },
      { tag: "0001_first", state: "DONE", rank: 1, attempt: 0, durationMs: null },
    ]);
    // The head is the history's: the next start looks at nothing else.
    const next = await migrator().migrate();
    expect(next.outcome).toBe("current");
    expect(next).not.toHaveProperty("migrations");
    expect(next).not.toHaveProperty("takenOver");
  });

  test("and what is pending runs after it, in the same run", async () => {
    await byDrizzle();
    await add("0002_second", "insert into credits values (20);");
    expect(await migrator().status()).toMatchObject({ version: "0001_first", pending: 1 });
    expect(await migrator().plan()).toMatchObject({
      ...{ outcome: "pending", steps: [{ tag: "0002_second" }] },
    });
    expect(await migrator().migrate()).toMatchObject({
      ...{ outcome: "applied", version: "0002_second", applied: [{ tag: "0002_second" }] },
      takenOver: { adopted: ["0000_credits", "0001_first"] },
    });
    expect(await sum()).toBe(120);
  });

  test("by one of several runs that begin at once", async () => {
    await byDrizzle();
    await add("0002_second", "insert into credits values (20);");
    const reports = await Promise.all([1, 2, 3, 4].map(() => migrator().migrate()));
    expect(reports.filter(({ takenOver }) => takenOver !== undefined)).toHaveLength(1);
    expect(reports.flatMap(({ applied }) => applied)).toMatchObject([{ tag: "0002_second" }]);
    expect(await sum()).toBe(120);
  });

  test("with the line ends and the byte-order mark of another checkout", async () => {
    await folder.write("0000_credits", `${CREDITS["0000_credits"]}\n-- a\n`);
    await byDrizzle();
    await folder.write("0000_credits", `\uFEFF${CREDITS["0000_credits"]}\r\n-- a\r\n`);
    expect(await migrator().migrate()).toMatchObject({ outcome: "current" });
  });

  test("where two files have the same text, each by its own row", async () => {
    await folder.make({ a: "select 1;", b: "select 1;", c: "select 1;" });
    await folder.list(["a", "b"]);
    await byDrizzle();
    await folder.list(["a", "b", "c"]);
    expect(await migrator().migrate()).toMatchObject({
      takenOver: { adopted: ["a", "b"] },
      applied: [{ tag: "c" }],
    });
  });

  test("and the server is a spectator to a wait that finds all of it applied", async () => {
    await byDrizzle();
    expect(await migrator().waitUntilCurrent({ timeoutMs: 1_000 })).toMatchObject({
      outcome: "current",
      version: "0001_first",
    });
    expect(await database.sql`select 1 from pg_namespace where nspname = 'tidemark'`).toEqual([]);
  });

  test("after a first migration that failed here, and that drizzle applied then", async () => {
    await folder.write("0000_credits", "select broken;");
    await expect(migrator().migrate()).rejects.toMatchObject({ code: "migration_failed" });
    await folder.write("0000_credits", CREDITS["0000_credits"]);
    await byDrizzle();
    expect(await migrator().migrate()).toMatchObject({ takenOver: { adopted: { length: 2 } } });
    expect(await sum()).toBe(100);
  });
});

describe("what drizzle's migrator passed over in silence", () => {
  const LATE = [
    ["0000_credits", 10],
    ["0001_first", 30],
    ["0002_late", 20],
    ["0003_last", 40],
  ] as const;
  const journal = (tags: readonly string[]) =>
    JSON.stringify({
      ...{ version: "7", dialect: "postgresql" },
      entries: LATE.filter(([tag]) => tags.includes(tag)).map(([tag, when], idx) => ({
        ...{ idx, version: "7", when, tag, breakpoints: true },
      })),
    });

  test("is shown as out of order, and runs only where somebody asks for it", async () => {
    await folder.write("0002_late", "insert into credits values (5);");
    await folder.write("0003_last", "insert into credits values (1000);");
    await writeJournal(folder.dir, journal(["0000_credits", "0001_first"]));
    await byDrizzle();
    await writeJournal(folder.dir, journal(["0000_credits", "0001_first", "0002_late"]));
    await byDrizzle();
    expect(await sum()).toBe(100);
    await writeJournal(folder.dir, journal(LATE.map(([tag]) => tag)));
    const report = await migrator().migrate();
    expect(report).toMatchObject({
      applied: [{ tag: "0003_last" }],
      takenOver: { adopted: ["0000_credits", "0001_first"], passedOver: ["0002_late"] },
      warnings: [{ kind: "passed-over", message: expect.stringContaining("0002_late") }],
    });
    expect(await sum()).toBe(1100);
    const status = await migrator().status();
    expect(status).toMatchObject({ pending: 0, problems: [] });
    expect(status.migrations.find(({ tag }) => tag === "0002_late")).toMatchObject({
      ...{ state: { kind: "PENDING" }, flags: ["OUT_OF_ORDER"] },
    });
    expect(await migrator().migrate()).toMatchObject({ outcome: "current", applied: [] });
    expect(await migrator().migrate({ allowOutOfOrder: true })).toMatchObject({
      applied: [{ tag: "0002_late" }],
    });
    expect(await sum()).toBe(1105);
    expect(await migrator().migrate()).not.toHaveProperty("migrations");
  });
});

describe("where it is not sure, it stops and names each row:", () => {
  const refused = async () =>
    migrator()
      .migrate()
      .then(
        () => expect.unreachable("it was not refused"),
        (error) => error,
      );

  test.each([
    [
      "a file that was edited since",
      async () => folder.write("0001_first", "insert into credits values (1);"),
      /row 2: the file of 0001_first was edited after it was applied/,
    ],
    [
      "a row without a file",
      async () => folder.list(["0000_credits"]),
      /row 2: no file has its hash or its time \(2023-11-14T22:13:20.001Z\)/,
    ],
    [
      "a row that was written by hand",
      async () =>
        database.sql`update drizzle.__drizzle_migrations set hash = '0001_first', created_at = 5 where id = 2`,
      /row 2: it was written by hand: it has the tag 0001_first in place of a hash/,
    ],
    [
      "a second row of one file",
      async () =>
        database.sql`insert into drizzle.__drizzle_migrations (hash, created_at) select hash, created_at from drizzle.__drizzle_migrations where id = 1`,
      /row 3: another row already belongs to 0000_credits/,
    ],
  ])("%s", async (_name, change, text) => {
    await byDrizzle();
    await change();
    for (let tries = 0; tries < 2; tries += 1) {
      const error = await refused();
      expect(error).toMatchObject({ code: "adopt_required", exitCode: 4 });
      expect(error.fact).toMatch(text);
    }
    expect((await migrator().status()).problems).toMatchObject([{ code: "adopt_required" }]);
    expect(await sum()).toBe(100);
    expect(await database.sql`select 1 from pg_namespace where nspname = 'tidemark'`).toEqual([]);
  });

  test("and does not offer to run what may be applied", async () => {
    await byDrizzle();
    await folder.write("0000_credits", `${CREDITS["0000_credits"]} -- edited`);
    expect((await migrator().status()).problems.map(({ code }) => code)).toEqual([
      "adopt_required",
    ]);
  });
});

describe("a run that is killed while it takes over", () => {
  test.each(["before", "after"] as const)(
    "%s its commit leaves all or nothing of it",
    async (phase) => {
      await byDrizzle();
      await add("0002_second", "insert into credits values (20);");
      const runner = await startRunner();
      runner.start({
        options: { url: database.url, dir: folder.dir },
        failpoint: { phase, message: "adopt" },
      });
      expect((await runner.end).signal).toBe("SIGKILL");
      const { rows } = await readLedgerContent(database.url);
      expect(rows).toHaveLength(phase === "before" ? 0 : 2);
      expect(await migrator().migrate()).toMatchObject({ applied: [{ tag: "0002_second" }] });
      expect(await sum()).toBe(120);
      expect(await drizzleRows()).toHaveLength(3);
    },
  );
});

const writeJournal = (dir: string, text: string) => writeFile(`${dir}/meta/_journal.json`, text);
