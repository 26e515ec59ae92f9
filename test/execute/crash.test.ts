import { describe, expect, test } from "vitest";
import { SessionLost } from "../../src/db/connection/loss.ts";
import { openSession } from "../../src/db/connection/session.ts";
import {
  DatabaseMigrator,
  type MigrateError,
  type MigrateReport,
  type Progress,
} from "../../src/db/migrate/index.ts";
import type { Failpoint, MessageName } from "../../src/db/migrate/run-types.ts";
import { createDatabase, onServer, type TestDatabase, useDatabase } from "../helpers/database.ts";
import { countingHistory, THREE, useHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { type TcpProxy, tcpProxy } from "../helpers/network.ts";
import { runInProcess } from "../helpers/runner-process.ts";

/** Long runs are asked for: `CHAOS_RUNS=1000`. */
const CHAOS_RUNS = Number(process.env.CHAOS_RUNS ?? 4);

const database = useDatabase();
const folder = useHistory();

/** Every message of a run on an empty database, in order: from one that was not disturbed. */
async function messagesOfARun(dir: string): Promise<readonly MessageName[]> {
  const names: MessageName[] = [];
  const onFailpoint = ({ phase, message }: Failpoint) => {
    if (phase === "before") names.push(message);
  };
  await new DatabaseMigrator({ url: database.url, dir }, { onFailpoint }).migrate();
  return names;
}

test.fails("a test whose runner never comes to its failpoint fails", async () => {
  await folder.make(THREE);
  const options = { url: database.url, dir: folder.dir };
  await runInProcess({ options, failpoint: { phase: "before", message: "repair" } });
});

describe("a runner killed with SIGKILL", () => {
  test("at each failpoint of a transactional history: the next run ends as an undisturbed one does", async () => {
    await folder.make(THREE);
    const history = { dir: folder.dir };
    const messages = await messagesOfARun(history.dir);
    expect(messages).toEqual([
      "look",
      "find-existing",
      "bootstrap",
      "look",
      "take",
      "start",
      "migration:0000_create_notes",
      "migration:0001_add_author",
      "migration:0002_first_note",
      "release",
    ]);
    const undisturbed = await catalogAndData(database);

    for (const message of new Set(messages)) {
      for (const phase of ["before", "sent", "after"] as const) {
        // The first look goes out while the driver connects: it has no moment of its own.
        if (message === "look" && phase === "sent") continue;
        const victim = await createDatabase();
        const options = { url: victim.url, dir: history.dir };
        const end = await runInProcess({ options, failpoint: { phase, message } });
        const at = `${phase} ${message}`;
        expect(end.signal, at).toBe("SIGKILL");
        const start = Date.now();
        const report = await new DatabaseMigrator(options).migrate();
        expect(Date.now() - start, `${at}: taken over at once`).toBeLessThan(2_000);
        expect(report.version, at).toBe("0002_first_note");
        expect(await catalogAndData(victim), at).toEqual(undisturbed);
        await expectFoldToMatch(victim.url);
        await victim.drop();
      }
    }
  });

  test("leaves STUCK behind, which the next run resumes with a second attempt", async () => {
    await folder.make({
      ...THREE,
      "0001_add_author": "select pg_sleep(0.2); select 1;",
    });
    const options = { url: database.url, dir: folder.dir };
    const end = await runInProcess({ options, failpoint: { phase: "after", message: "start" } });
    expect(end.signal).toBe("SIGKILL");
    const migrator = new DatabaseMigrator(options);
    // The server ends the dead runner's session by itself; what it was sent, it may still finish.
    await expect
      .poll(async () => {
        const { migrations } = await migrator.status();
        return migrations.some(({ state }) => state.kind === "STARTED");
      })
      .toBe(false);
    await folder.write("0002_first_note", "create table corrected (id integer);");
    const report = await migrator.migrate();
    expect(report.version).toBe("0002_first_note");
  });

  test("while it records a failure: the failure is met again, nothing is half-done", async () => {
    await folder.make({
      ...THREE,
      "0001_add_author": "create table half (id integer); select 1 / 0;",
    });
    const options = { url: database.url, dir: folder.dir };
    const end = await runInProcess({ options, failpoint: { phase: "before", message: "failed" } });
    expect(end.signal).toBe("SIGKILL");
    const migrator = new DatabaseMigrator(options);
    await expect
      .poll(async () => (await migrator.status()).migrations[1]?.state.kind)
      .toBe("STUCK");
    await expect(migrator.migrate()).rejects.toMatchObject({ code: "migration_failed" });
    const { rows } = await expectFoldToMatch(database.url);
    expect(rows.map(({ tag, state, attempt }) => [tag, state, attempt])).toEqual([
      ["0000_create_notes", "DONE", 1],
      ["0001_add_author", "FAILED", 2],
    ]);
    expect(await database.sql`select to_regclass('half') as half`).toEqual([{ half: null }]);
  });
});

describe("a connection that breaks under a full pipeline", () => {
  const COUNT = 60;

  test("by pg_terminate_backend or a TCP reset, at random: each migration once, no row outside a transaction, no hang", {
    timeout: 60_000 + CHAOS_RUNS * 10_000,
  }, async () => {
    await folder.make(countingHistory(COUNT));
    const tally = { cuts: 0, reconnects: 0 };
    for (let run = 0; run < CHAOS_RUNS; run += 1) {
      const victim = await createDatabase();
      const proxy = await tcpProxy(victim.url);
      const migrator = new DatabaseMigrator({ url: proxy.url, dir: folder.dir });
      const stop = disturb(victim, proxy, () => {
        tally.cuts += 1;
      });
      const onProgress = ({ kind }: Progress) => {
        if (kind === "reconnecting") tally.reconnects += 1;
      };
      // An administrator's end of a session stops a run: somebody starts another one.
      const again = (error: MigrateError): Promise<MigrateReport> => {
        if (!error.fact.startsWith("An administrator ended")) throw error;
        return migrator.migrate({ onProgress }).catch(again);
      };
      const report = await migrator.migrate({ onProgress }).catch(again);
      await stop();
      // What was ended may have been over.
      expect(["applied", "current"]).toContain(report.outcome);
      const ticks = await victim.sql`select n from ticks order by n`;
      expect(ticks.map(({ n }) => n)).toEqual(Array.from({ length: COUNT - 1 }, (_, i) => i + 1));
      const { rows } = await expectFoldToMatch(victim.url);
      expect(rows.every(({ state }) => state === "DONE")).toBe(true);
      expect(
        (await new DatabaseMigrator({ url: victim.url, dir: folder.dir }).migrate()).outcome,
      ).toBe("current");
      await proxy.close();
      await victim.drop();
    }
    console.log(`${CHAOS_RUNS} runs, ${tally.cuts} cuts, ${tally.reconnects} reconnects`);
    expect(tally.reconnects).toBeGreaterThan(0);
  });
});

test("a session that was lost sends nothing any more, where the driver would go on with another connection", async () => {
  await folder.make({});
  await database.sql`create table ticks (n integer)`;
  const { session } = await openSession(
    {
      url: database.url,
      connectTimeoutMs: 5_000,
      onNotice: () => undefined,
      onFailpoint: undefined,
    },
    "select 1",
  );
  const { reply } = await session.send(
    "end",
    "select pg_terminate_backend(pg_backend_pid()), pg_sleep(5)",
  );
  await expect(reply).rejects.toThrow(SessionLost);
  await expect(session.send("late", "insert into ticks values (1)")).rejects.toThrow(SessionLost);
  await session.close();
  expect(await database.sql`select n from ticks`).toEqual([]);
});

test("what a run committed without hearing of it is in its report", async () => {
  const history = countingHistory(20);
  await folder.make(history);
  const proxy = await tcpProxy(database.url);
  const run = new DatabaseMigrator({ url: proxy.url, dir: folder.dir }).migrate({
    onProgress: ({ kind }) => {
      if (kind === "migration-started") proxy.mute();
    },
  });
  const done = async () => {
    const rows = await database.sql`select from tidemark.schema_migrations where state = 'DONE'`;
    return rows.length;
  };
  const ledger = async () =>
    (await database.sql`select to_regclass('tidemark.schema_migrations') is not null as there`)[0];
  await expect.poll(ledger, { timeout: 10_000 }).toEqual({ there: true });
  await expect.poll(done, { timeout: 10_000 }).toBe(20);
  proxy.reset();
  const report = await run;
  expect(report.outcome).toBe("applied");
  expect(report.applied.map(({ tag }) => tag).toSorted()).toEqual(Object.keys(history));
  await proxy.close();
});

/** Cuts the runner's connection again and again, at most four times, until told to stop. */
function disturb(victim: TestDatabase, proxy: TcpProxy, onCut: () => void): () => Promise<void> {
  let stopped = false;
  const work = (async () => {
    for (let cuts = 0; cuts < 4 && !stopped; ) {
      const [row] = await onServer((admin) =>
        admin.ask<{ n: number }>(`select count(*)::int as n from pg_stat_activity
          where datname = '${victim.name}' and application_name = 'tidemark' and query like 'begin%'`),
      );
      if (row?.n === 0) continue;
      if (Math.random() < 0.5) proxy.reset();
      else {
        await onServer((admin) =>
          admin.ask(`select pg_terminate_backend(pid) from pg_stat_activity
            where datname = '${victim.name}' and application_name = 'tidemark'`),
        );
      }
      cuts += 1;
      onCut();
    }
  })();
  return async () => {
    stopped = true;
    await work;
  };
}

async function catalogAndData({ sql }: TestDatabase) {
  return {
    columns: await sql`
      select table_name::text, column_name::text, data_type::text, column_default
      from information_schema.columns where table_schema = 'public'
      order by table_name, ordinal_position`,
    indexes: await sql`
      select c.relname::text, pg_get_indexdef(i.indexrelid) as definition, i.indisvalid
      from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'public' order by c.relname`,
    notes: await sql`select body, author from notes order by id`,
    done: await sql`select tag, state, rank, checksum, statements_done from tidemark.schema_migrations order by rank`,
    runner: await sql`select head from tidemark.runner`,
  };
}
