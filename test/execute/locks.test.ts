import { setTimeout as sleep } from "node:timers/promises";
import type postgres from "postgres";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { MigratorOptions, Progress } from "../../src/db/migrate/index.ts";
import { onServer, urlOfDatabase, useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { readLedgerContent, storyOf } from "../helpers/ledger.ts";
import { FilledDatabaseMigrator } from "../helpers/migrator.ts";
import { startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_note": "create table before (id integer);",
  "0001_alter": "alter table orgs add column note text;",
  "0002_after": "create table after (id integer);",
});
let holder: postgres.ReservedSql;

beforeEach(async () => {
  await database.sql`create table orgs (id integer)`;
  holder = await database.sql.reserve();
  await holder.unsafe("set application_name = 'reporting'; begin; lock table orgs in share mode");
});
afterEach(async () => {
  await holder.unsafe("rollback");
  holder.release();
});

const migrator = (options: Partial<MigratorOptions> = {}) =>
  new FilledDatabaseMigrator({
    url: database.url,
    dir: folder.dir,
    lockTimeoutMs: 300,
    ...options,
  });

describe("a migration that waits for a lock", () => {
  test("is rolled back in time, tried again with what was sent behind it, and names who holds the lock each time", async () => {
    const progress: Progress[] = [];
    let tries = 0;
    // Long enough for somebody to connect and look, on a busy machine too.
    const report = await migrator({ lockTimeoutMs: 1_500 }).migrate({
      onProgress: (item) => {
        progress.push(item);
        if (item.kind !== "lock-retry") return;
        tries += 1;
        if (tries === 2) holder.unsafe("rollback").catch(() => undefined);
      },
    });
    expect(report.applied.map(({ tag }) => tag)).toEqual(["0000_note", "0001_alter", "0002_after"]);
    const retries = progress.filter((item) => item.kind === "lock-retry");
    expect(retries.map(({ tag, tries: n, of }) => `${tag} ${n} ${of}`)).toEqual([
      "0001_alter 1 10",
      "0001_alter 2 10",
    ]);
    for (const { blockers } of retries) {
      expect(blockers).toEqual([
        {
          pid: expect.any(Number),
          user: "postgres",
          application: "reporting",
          state: "idle in transaction",
          query: expect.stringContaining("lock table orgs in share mode"),
          forMs: expect.any(Number),
        },
      ]);
    }
    expect(progress.some(({ kind }) => kind === "blocked")).toBe(true);
    const { events } = await readLedgerContent(database.url);
    expect(storyOf(events)).toEqual([
      "0000_note started 1",
      "0000_note done 1",
      "0001_alter started 1",
      "0001_alter done 1",
      "0002_after started 1",
      "0002_after done 1",
    ]);
  });

  test("gives up after its tries: recorded, with exit code 5, the rest not run", async () => {
    const error = await migrator({ lockTries: 2, lockTimeoutMs: 1_500 })
      .migrate()
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "lock_timeout",
      exitCode: 5,
      tag: "0001_alter",
      applied: ["0000_note"],
      notRun: ["0002_after"],
      recorded: { sqlState: "55P03", statement: 1 },
    });
    expect((error as Error).message.replaceAll(/pid \d+|for \d+ ms|for [\d.]+ s/g, "…")).toContain(
      `SQLSTATE 55P03
tried 2 times, each up to 1.5 s
held by: … (postgres, reporting), idle in transaction …: set application_name = 'reporting'; begin; lock table orgs in share mode
state: 0001_alter was rolled back. 1 migration before it applied. 1 migration after it not run.`,
    );
    expect((await migrator().status()).migrations.map(({ state }) => state.kind)).toEqual([
      "DONE",
      "FAILED",
      "PENDING",
    ]);
  });

  test("gives up when its budget is spent, whatever tries are left", async () => {
    const progress: Progress[] = [];
    const error = await migrator({ lockBudgetMs: 1_000 })
      .migrate({ onProgress: (item) => progress.push(item) })
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "lock_timeout" });
    expect(progress.filter(({ kind }) => kind === "lock-retry").length).toBeLessThan(3);
  });

  test("stops in its pause when told to, recorded as canceled", async () => {
    const controller = new AbortController();
    const run = migrator().migrate({
      signal: controller.signal,
      onProgress: (item) => {
        if (item.kind === "lock-retry") controller.abort();
      },
    });
    await expect(run).rejects.toMatchObject({ code: "canceled", tag: "0001_alter" });
    const [, alter] = (await migrator().status()).migrations;
    expect(alter?.state).toMatchObject({ kind: "FAILED", error: { sqlState: null } });
  });

  test("keeps its time-out on every try, the last one too", async () => {
    await folder.write(
      "0000_note",
      "create table seen (lock_timeout text); insert into seen values (current_setting('lock_timeout'));",
    );
    await folder.write(
      "0001_alter",
      "select pg_sleep(0); lock table orgs in access exclusive mode;",
    );
    const started = Date.now();
    await expect(migrator({ lockTries: 3 }).migrate()).rejects.toMatchObject({
      code: "lock_timeout",
    });
    // Three times 0.3 s, and pauses of at most 0.5 and 1 s.
    expect(Date.now() - started).toBeLessThan(6_000);
    expect(await database.sql`select lock_timeout from seen`).toEqual([{ lock_timeout: "300ms" }]);
  });

  test("lets readers through meanwhile: none of them waits longer than a try", {
    timeout: 30_000,
  }, async () => {
    const run = migrator({ lockTimeoutMs: 100 }).migrate();
    const waits: number[] = [];
    for (let i = 0; i < 40; i += 1) {
      const at = performance.now();
      await database.sql`select count(*) from orgs`;
      waits.push(performance.now() - at);
      await sleep(25);
    }
    await holder.unsafe("rollback");
    await run;
    expect(Math.max(...waits)).toBeLessThan(1_000);
  });

  test("keeps its lease through the pauses: another process waits, and finds all done", {
    timeout: 60_000,
  }, async () => {
    const options = { url: database.url, dir: folder.dir, lockTimeoutMs: 200 };
    const first = await startRunner();
    const second = await startRunner();
    const paused = first.seen("lock-retry");
    first.start({ options });
    await paused;
    const waiting = second.seen("waiting");
    second.start({ options });
    expect(await waiting).toMatchObject({
      holder: { processId: first.child.pid, activity: "0001_alter" },
    });
    await holder.unsafe("rollback");
    expect((await first.end).report?.applied).toHaveLength(3);
    expect((await second.end).report?.outcome).toBe("current");
  });

  test("renews its lease in each pause, though every try is rolled back", async () => {
    const expiries: Promise<number>[] = [];
    await migrator({ lockTries: 4 })
      .migrate({
        onProgress: (item) => {
          if (item.kind === "lock-retry") {
            expiries.push(
              database.sql<{ at: number }[]>`
                select extract(epoch from expires_at)::float8 as at from tidemark.runner`.then(
                (rows) => rows[0]?.at ?? 0,
              ),
            );
          }
        },
      })
      .catch(() => undefined);
    const [first, second, third] = await Promise.all(expiries);
    expect(second).toBeGreaterThan(first ?? Number.NaN);
    expect(third).toBeGreaterThan(second ?? Number.NaN);
  });

  test("is tried again where nobody could look who holds the lock", async () => {
    const role = `narrow_${database.name}`;
    await onServer(async (admin) => {
      await admin.ask(`create role ${role} login password 'pw' connection limit 1`);
      await admin.ask(`grant create on database ${database.name} to ${role}`);
    });
    await database.sql.unsafe(`grant create on schema public to ${role}`);
    await folder.write("0001_alter", "lock table orgs in access exclusive mode;");
    await database.sql.unsafe(`grant all on orgs to ${role}`);
    try {
      const url = urlOfDatabase(database.name, { user: role, password: "pw" });
      const error = await migrator({ url, lockTries: 2 })
        .migrate()
        .catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: "lock_timeout" });
      expect((error as Error).message).toContain(
        `held by: unknown, no second connection could be made to look (too many connections for role "${role}")`,
      );
    } finally {
      await database.sql.unsafe(`drop owned by ${role}`);
      await onServer((admin) => admin.ask(`drop role ${role}`));
    }
  });
});

test("a migration that lost a deadlock is tried again", async () => {
  await database.sql`create table users (id integer)`;
  await holder.unsafe("rollback; begin; lock table orgs in access exclusive mode");
  await folder.write(
    "0001_alter",
    "lock table users in access exclusive mode; select pg_sleep(0.5); lock table orgs in access exclusive mode;",
  );
  const progress: Progress[] = [];
  const run = migrator({ lockTimeoutMs: 10_000 }).migrate({
    onProgress: (item) => progress.push(item),
  });
  // The other side asks for what the migration has as soon as it has it.
  for (;;) {
    const [row] = await database.sql<{ held: boolean }[]>`
      select exists (select from pg_locks where relation = 'users'::regclass and granted
        and mode = 'AccessExclusiveLock') as held`;
    if (row?.held) break;
  }
  const other = holder.unsafe("lock table users in access exclusive mode").catch(() => undefined);
  await other;
  await holder.unsafe("rollback");
  const report = await run;
  expect(report.applied).toHaveLength(3);
});
