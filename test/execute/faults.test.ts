import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { describe, expect, test } from "vitest";
import {
  type acquireEmbeddedServer,
  destroyEmbeddedServer,
  keepEmbeddedServer,
} from "../../src/db/embedded/index.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import type { Failpoint } from "../../src/db/migrate/run-types.ts";
import { startTidemark } from "../helpers/cli.ts";
import { createDatabase, onServer, type TestDatabase, useDatabase } from "../helpers/database.ts";
import { eventually, postmasterPid } from "../helpers/embedded-folder.ts";
import { countingHistory, useHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { freePort } from "../helpers/network.ts";

/** Long runs are asked for: `CHAOS_RUNS=100`. */
const CHAOS_RUNS = Number(process.env.CHAOS_RUNS ?? 4);
const COUNT = 20;

const database = useDatabase();
const folder = useHistory(countingHistory(COUNT));

/** After whatever happened: the lease is free, the ledger consistent, and the next run completes it. */
async function expectToConverge(
  { url, sql }: Pick<TestDatabase, "url" | "sql">,
  at?: string,
): Promise<void> {
  const [ledger] = await sql`select to_regclass('tidemark.runner') is not null as there`;
  if (ledger?.there === true) {
    expect(await sql`select run_id from tidemark.runner`, at).toEqual([{ run_id: null }]);
    await expectFoldToMatch(url);
  }
  const start = Date.now();
  await new DatabaseMigrator({ url, dir: folder.dir }).migrate();
  expect(Date.now() - start).toBeLessThan(10_000);
  const ticks = await sql`select n from ticks order by n`;
  expect(ticks.map(({ n }) => n)).toEqual(Array.from({ length: COUNT - 1 }, (_, i) => i + 1));
  const { rows } = await expectFoldToMatch(url);
  expect(rows.map(({ state }) => state)).toEqual(Array(COUNT).fill("DONE"));
}

describe("a run that is told to stop", () => {
  test("at each failpoint gives the lease back, says canceled, and the next one goes on", {
    timeout: 60_000,
  }, async () => {
    const messages = [
      "look",
      "find-existing",
      "bootstrap",
      "take",
      "start",
      "migration:0000_create_ticks",
      "migration:0010_tick",
      "migration:0019_tick",
      "release",
    ] as const;
    const places = messages.flatMap((message) =>
      (["before", "sent", "after"] as const).map((phase): Failpoint => ({ phase, message })),
    );
    const reached = new Set<string>();
    const stopAt = async (point: Failpoint) => {
      const at = `${point.phase} ${point.message}`;
      const victim = await createDatabase();
      const controller = new AbortController();
      const onFailpoint = ({ phase, message }: Failpoint) => {
        if (phase !== point.phase || message !== point.message) return;
        reached.add(at);
        controller.abort();
      };
      const start = Date.now();
      const error = await new DatabaseMigrator(
        { url: victim.url, dir: folder.dir },
        { onFailpoint },
      )
        .migrate({ signal: controller.signal })
        .then(
          () => undefined,
          (reason: unknown) => reason,
        );
      expect(Date.now() - start, at).toBeLessThan(10_000);
      // What comes too late for the last migration finds the run over.
      if (error !== undefined) expect(error, at).toMatchObject({ code: "canceled" });
      await expectToConverge(victim, at);
      await victim.drop();
    };
    const left = [...places];
    const work = async () => {
      for (let point = left.shift(); point !== undefined; point = left.shift()) await stopAt(point);
    };
    await Promise.all([work(), work(), work(), work()]);
    // The first look goes out while the driver connects: it has no moment of its own.
    expect(reached.size).toBe(places.length);
  });

  test("gives the lease back even where the cancel hits the message that does it", async () => {
    const held = await database.sql.reserve();
    const controller = new AbortController();
    const onFailpoint = async ({ phase, message }: Failpoint) => {
      const at = `${phase} ${message}`;
      if (at === "before release" && !controller.signal.aborted) {
        await held.unsafe("begin; select from tidemark.runner for update");
      }
      if (at === "sent release") controller.abort();
      if (at === "before rollback") await held.unsafe("rollback");
    };
    const { url } = database;
    await new DatabaseMigrator({ url, dir: folder.dir }, { onFailpoint }).migrate({
      signal: controller.signal,
    });
    held.release();
    expect(controller.signal.aborted).toBe(true);
    await expectToConverge(database);
  });

  test("by SIGINT or SIGTERM at any moment ends in time with the signal's exit code", {
    timeout: 30_000 + CHAOS_RUNS * 10_000,
  }, async () => {
    const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
    for (let run = 0; run < CHAOS_RUNS; run += 1) {
      const signal = run % 2 === 0 ? "SIGINT" : "SIGTERM";
      const victim = await createDatabase();
      const { child, end, stderrMatches } = startTidemark(
        ["migrate", "--url", victim.url, "--dir", folder.dir],
        { cwd: folder.dir },
      );
      // From when it has its handlers: before that a signal ends any process.
      await stderrMatches(/created the ledger/);
      await sleep(Math.random() * 150);
      const start = Date.now();
      child.kill(signal);
      const { code, stdout } = await end;
      expect(Date.now() - start).toBeLessThan(8_000);
      // A run that was over before the signal came has succeeded; Node itself ends, without its handlers, by the signal.
      const isOver = /^Applied 20 migrations/m.test(stdout);
      expect(isOver ? [exitCodes[signal], 0, null] : [exitCodes[signal]]).toContain(code);
      await expectToConverge(victim);
      await victim.drop();
    }
  });

  test("while it waits for a server, for another runner, and for a lock", {
    timeout: 30_000,
  }, async () => {
    await new DatabaseMigrator({ url: database.url, dir: folder.dir }).migrate({
      to: "0000_create_ticks",
    });
    const held = await database.sql.reserve();
    await held.unsafe("begin");
    await held.unsafe("lock table ticks in share mode");
    const absent = `postgres://ada@127.0.0.1:${await freePort()}/shop`;
    const args = (url: string) => ["migrate", "--url", url, "--dir", folder.dir];
    const locked = startTidemark([...args(database.url), "--lock-timeout", "0.2"], {
      cwd: folder.dir,
    });
    await locked.stderrMatches(/try 1 of 10/);
    const second = startTidemark(args(database.url), { cwd: folder.dir });
    const third = startTidemark(args(absent), { cwd: folder.dir });
    await Promise.all([
      second.stderrMatches(/waiting for another runner/),
      third.stderrMatches(/waiting for the server/),
    ]);
    const start = Date.now();
    for (const { child } of [second, third]) child.kill("SIGTERM");
    expect((await second.end).code).toBe(143);
    expect((await third.end).code).toBe(143);
    locked.child.kill("SIGINT");
    expect((await locked.end).code).toBe(130);
    expect(Date.now() - start).toBeLessThan(8_000);
    await held.unsafe("rollback");
    held.release();
    await expectToConverge(database);
  });
});

test("pg_cancel_backend at random fails a migration or nothing: each ends with an error that says so, and the next run goes on", {
  timeout: 30_000 + CHAOS_RUNS * 10_000,
}, async () => {
  const tally = { hits: 0, failed: 0 };
  for (let run = 0; run < CHAOS_RUNS; run += 1) {
    const victim = await createDatabase();
    let over = false;
    let tries = 1;
    const canceling = (async () => {
      while (!over) {
        // Longer from try to try: on a slow server a message may take longer than any of the first pauses.
        await sleep(Math.random() * (20 + tries));
        const rows = await onServer((admin) =>
          admin.ask(`select pg_cancel_backend(pid) from pg_stat_activity
            where datname = '${victim.name}' and application_name = 'tidemark' and state = 'active'`),
        );
        tally.hits += rows.length;
      }
    })();
    for (; ; tries += 1) {
      const error = await new DatabaseMigrator({ url: victim.url, dir: folder.dir }).migrate().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error === undefined) break;
      tally.failed += 1;
      expect(tries).toBeLessThan(200);
      expect((error as Error).message).toMatch(/57014/);
      expect((error as Error).name).toBe("MigrateError");
    }
    over = true;
    await canceling;
    await expectToConverge(victim);
    await victim.drop();
  }
  console.log(`${CHAOS_RUNS} runs, ${tally.hits} cancels, ${tally.failed} errors`);
  expect(tally.failed).toBeGreaterThan(0);
});

test("an immediate restart of the server under a full pipeline: the run comes back, each migration once", {
  timeout: 60_000,
}, async () => {
  const dir = await mkdtemp(join(tmpdir(), "tidemark-restart-"));
  // The server is at work on it when it ends, with the rest sent behind it.
  await folder.write("0010_tick", "select pg_sleep(1); insert into ticks values (10);");
  try {
    const options = { dir, database: "postgres", settings: { full_page_writes: "off" } };
    const { url } = await keepEmbeddedServer(options);
    const progress: string[] = [];
    let restarting: Promise<unknown> | undefined;
    const report = await new DatabaseMigrator({ url, dir: folder.dir }).migrate({
      onProgress: (item) => {
        progress.push(item.kind);
        if (item.kind !== "migration-started" || item.tag !== "0010_tick") return;
        restarting ??= restart(options);
      },
    });
    await restarting;
    expect(restarting).toBeDefined();
    expect(progress).toContain("reconnecting");
    expect(report.applied.map(({ tag }) => tag).toSorted()).toEqual(
      Object.keys(countingHistory(COUNT)),
    );
    const sql = postgres(url, { max: 1 });
    await expectToConverge({ url, sql });
    await sql.end();
  } finally {
    await destroyEmbeddedServer({ dir });
    await rm(dir, { recursive: true, force: true });
  }
});

/** Ends a server as a power cut would, and starts it again. */
async function restart(options: Parameters<typeof acquireEmbeddedServer>[0]): Promise<void> {
  const pid = await postmasterPid(options.dir);
  process.kill(pid, "SIGQUIT");
  await eventually("the server is gone", async () => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  });
  await keepEmbeddedServer(options);
}
