import { describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { createDatabase, urlOfDatabase, useDatabase } from "../helpers/database.ts";
import { historyFolder, THREE, useHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { runHerd, startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory(THREE);

describe("processes that boot at one moment on an empty database", () => {
  // The concurrent index waits for every session with a snapshot: whoever waits must not hold one.
  const MIXED = {
    ...THREE,
    "0003_index": "create index concurrently notes_body_idx on notes (body);",
    "0004_second_note": "insert into notes (body) values ('again');",
  };

  test.each([
    [2, 1],
    [50, 1],
    [4, 50],
  ])(
    "%i of them, with %i runs in each: all succeed, each migration runs once, nobody is in a deadlock",
    { timeout: 120_000 },
    async (count, runners) => {
      await folder.remove();
      await folder.make(MIXED);
      const options = { url: database.url, dir: folder.dir, connectTimeoutMs: 60_000 };
      const ends = await runHerd(count, { options, runners });
      expect(ends.map(({ error }) => error)).toEqual(ends.map(() => undefined));
      const reports = ends.flatMap(({ report, others = [] }) => [report, ...others]);
      expect(reports).toHaveLength(count * runners);
      expect(new Set(reports.map((report) => report?.version))).toEqual(
        new Set(["0004_second_note"]),
      );
      expect(reports.filter((report) => report?.outcome === "applied")).toHaveLength(1);
      const { events } = await expectFoldToMatch(database.url);
      expect(events.filter(({ type }) => type === "migration.started")).toHaveLength(5);
      expect(events.filter(({ type }) => type === "migration.done")).toHaveLength(5);
      expect(await database.sql`select body from notes order by id`).toEqual([
        { body: "hello" },
        { body: "again" },
      ]);
      expect(
        await database.sql`select indisvalid from pg_index where indexrelid = 'notes_body_idx'::regclass`,
      ).toEqual([{ indisvalid: true }]);
      expect(
        await database.sql`select deadlocks::int from pg_stat_database where datname = current_database()`,
      ).toEqual([{ deadlocks: 0 }]);
    },
  );

  test("and have all found no ledger: one creates it, nobody fails", {
    timeout: 60_000,
  }, async () => {
    const runners = await Promise.all(Array.from({ length: 12 }, startRunner));
    for (const runner of runners) {
      runner.start({
        options: { url: database.url, dir: folder.dir },
        failpoint: { phase: "before", message: "bootstrap", signal: "SIGSTOP" },
      });
    }
    await Promise.all(runners.map(({ atFailpoint }) => atFailpoint));
    for (const runner of runners) runner.resume();
    const ends = await Promise.all(runners.map(({ end }) => end));
    expect(ends.map(({ error }) => error)).toEqual(ends.map(() => undefined));
    const { events } = await expectFoldToMatch(database.url);
    expect(events).toHaveLength(6);
  });

  test("and meet a migration that fails: one tries it, nobody who waited tries again", async () => {
    await folder.write("0001_add_author", "select pg_sleep(2); select 1 / 0;");
    const ends = await runHerd(8, { options: { url: database.url, dir: folder.dir } });
    expect(ends.map(({ error }) => error?.code)).toEqual(ends.map(() => "migration_failed"));
    const { events } = await expectFoldToMatch(database.url);
    expect(events.filter(({ type }) => type === "migration.failed")).toHaveLength(1);
    for (const { error } of ends) expect(error?.message).toContain("division by zero");
  });
});

describe("a runner that waits for another", () => {
  test("reports who works on what, waits longer than a lease lives, and finds it done", {
    timeout: 60_000,
  }, async () => {
    // Longer than the lease: the row's lock alone says that its holder lives.
    await folder.write("0001_add_author", `select pg_sleep(17);\n${THREE["0001_add_author"]}`);
    const options = { url: database.url, dir: folder.dir };
    const holder = await startRunner();
    holder.start({ options });
    const sleeping = async () => {
      const [row] = await database.sql`select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event = 'PgSleep'`;
      return row?.n;
    };
    await expect.poll(sleeping, { timeout: 10_000 }).toBe(1);
    const waiter = await startRunner();
    const waiting = waiter.seen("waiting");
    waiter.start({ options });
    expect(await waiting).toMatchObject({
      holder: { processId: holder.child.pid, activity: "0001_add_author" },
    });
    const expired = async () => {
      const [row] = await database.sql`
        select expires_at < clock_timestamp() as yes from tidemark.runner`;
      return row?.yes;
    };
    await expect.poll(expired, { timeout: 16_000, interval: 100 }).toBe(true);
    const { migrations } = await new DatabaseMigrator(options).status();
    expect(migrations.map(({ state }) => state.kind)).toEqual(["DONE", "STARTED", "PENDING"]);
    expect((await holder.end).report?.outcome).toBe("applied");
    expect((await waiter.end).report?.outcome).toBe("current");
  });

  test("does not hold it up, not with two hundred of them", { timeout: 120_000 }, async () => {
    const naps = Array.from({ length: 60 }, (_, n) => [
      `${String(n).padStart(4, "0")}_nap`,
      "select pg_sleep(0.05);",
    ]);
    const history = await historyFolder(Object.fromEntries(naps));
    const quiet = await createDatabase();
    const alone = await new DatabaseMigrator({ url: quiet.url, dir: history.dir }).migrate();
    await quiet.drop();
    const options = { url: database.url, dir: history.dir, connectTimeoutMs: 60_000 };
    const [holder, ...waiters] = await Promise.all(Array.from({ length: 5 }, startRunner));
    const started = holder?.seen("migration-started");
    holder?.start({ options });
    await started;
    for (const waiter of waiters) waiter.start({ options, runners: 50 });
    const beside = (await holder?.end)?.report;
    const ends = await Promise.all(waiters.map(({ end }) => end));
    expect(ends.map(({ error }) => error)).toEqual(ends.map(() => undefined));
    const ratio = (beside?.durationMs ?? 0) / alone.durationMs;
    console.log(`beside 200 waiters it takes ${ratio.toFixed(2)} times as long`);
    // Where the waiters lock to look, it is four times.
    expect(ratio).toBeLessThan(2.5);
    await history.remove();
  });

  test("gives up after its bound and names the holder", async () => {
    await folder.write("0001_add_author", `select pg_sleep(3);\n${THREE["0001_add_author"]}`);
    const options = { url: database.url, dir: folder.dir };
    const holder = await startRunner();
    const started = holder.seen("migration-started");
    holder.start({ options });
    await started;
    await expect(
      new DatabaseMigrator({ ...options, waitTimeoutMs: 300 }).migrate(),
    ).rejects.toMatchObject({
      code: "lock_timeout",
      exitCode: 5,
      message: expect.stringContaining(`process ${holder.child.pid}`),
    });
    expect((await holder.end).report?.outcome).toBe("applied");
  });
});

test("a lease that was free at the look and is taken since is judged again: nobody is robbed", async () => {
  const options = { url: database.url, dir: folder.dir };
  await new DatabaseMigrator(options).migrate({ to: "0000_create_notes" });
  const late = await startRunner();
  late.start({ options, failpoint: { phase: "before", message: "take", signal: "SIGSTOP" } });
  await late.atFailpoint;
  const holder = await startRunner();
  holder.start({ options, failpoint: { phase: "before", message: "start", signal: "SIGSTOP" } });
  await holder.atFailpoint;
  const waiting = late.seen("waiting");
  late.resume();
  expect(await waiting).toMatchObject({ holder: { processId: holder.child.pid } });
  holder.resume();
  const end = await holder.end;
  expect(end.report?.outcome).toBe("applied");
  expect(end.progress.map(({ kind }) => kind)).not.toContain("lease-lost");
  expect((await late.end).report?.outcome).toBe("current");
});

describe("a runner frozen past its lease", () => {
  test("is replaced, and its next write is refused when it wakes", {
    timeout: 60_000,
  }, async () => {
    const options = { url: database.url, dir: folder.dir };
    const frozen = await startRunner();
    frozen.start({
      options,
      failpoint: { phase: "before", message: "start", signal: "SIGSTOP" },
    });
    await frozen.atFailpoint;
    // Its lease runs out; nothing of it holds the row.
    await database.sql`update tidemark.runner set expires_at = clock_timestamp()`;
    const report = await new DatabaseMigrator(options).migrate();
    expect(report.outcome).toBe("applied");
    frozen.resume();
    const end = await frozen.end;
    expect(end.progress.map(({ kind }) => kind)).toContain("lease-lost");
    expect(end.report).toMatchObject({ outcome: "current", applied: [] });
    const { events } = await expectFoldToMatch(database.url);
    expect(events).toHaveLength(6);
    expect(await database.sql`select body from notes`).toEqual([{ body: "hello" }]);
  });
});

test("two unprivileged roles wait for each other: what is hidden is never taken for dead", {
  timeout: 60_000,
}, async () => {
  const names = ["a", "b"].map((suffix) => `${database.name}_${suffix}`);
  await database.sql.unsafe(`create role ${names[0]} login password 'x';
    create role ${names[1]} login password 'x';
    grant create on database ${database.name} to ${names[0]};
    grant all on schema public to ${names[0]};
    alter default privileges for role ${names[0]} grant usage on schemas to ${names[1]};
    alter default privileges for role ${names[0]} grant all on tables to ${names[1]};`);
  const [first, second] = await Promise.all([startRunner(), startRunner()]);
  const taskOf = (user = "") => ({
    options: { url: urlOfDatabase(database.name, { user, password: "x" }), dir: folder.dir },
  });
  // Between two messages no lock on the row speaks for the holder: only its session does.
  first.start({
    ...taskOf(names[0]),
    failpoint: { phase: "before", message: "start", signal: "SIGSTOP" },
  });
  await first.atFailpoint;
  const waiting = second.seen("waiting");
  second.start(taskOf(names[1]));
  expect(await waiting).toMatchObject({ holder: { processId: first.child.pid, user: names[0] } });
  first.resume();
  const ends = await Promise.all([first.end, second.end]);
  expect(ends.map(({ error }) => error)).toEqual([undefined, undefined]);
  expect(ends.map(({ report }) => report?.outcome)).toEqual(["applied", "current"]);
  expect(ends[1]?.progress.map(({ kind }) => kind)).not.toContain("took-over");
  await database.sql.unsafe(
    `drop owned by ${names[1]} cascade; drop owned by ${names[0]} cascade; drop role ${names.join(", ")}`,
  );
});

test("runners whose clocks are a day ahead and a day behind: order, times and lease are the database's", {
  timeout: 60_000,
}, async () => {
  const DAY_MS = 86_400_000;
  const clock = async () => {
    const [row] = await database.sql<{ now: Date }[]>`select clock_timestamp() as now`;
    return row?.now.getTime() ?? 0;
  };
  const options = { url: database.url, dir: folder.dir };
  await folder.write("0001_add_author", `select pg_sleep(1);\n${THREE["0001_add_author"]}`);
  const before = await clock();
  const runners = await Promise.all(
    [-DAY_MS, 0, DAY_MS].map(async (clockMs) => {
      const runner = await startRunner();
      runner.start({ options, clockMs });
      return runner;
    }),
  );
  const ends = await Promise.all(runners.map(({ end }) => end));
  const after = await clock();
  expect(ends.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
  expect(ends.flatMap(({ progress }) => progress.map(({ kind }) => kind))).not.toContain(
    "took-over",
  );
  const { events } = await expectFoldToMatch(database.url);
  expect(events).toHaveLength(6);
  const times = events.map(({ at }) => at.getTime());
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(times[0]).toBeGreaterThanOrEqual(before - 1);
  expect(times.at(-1)).toBeLessThanOrEqual(after + 1);
});

test("two ledgers of one database, and two databases, migrate at one time", async () => {
  // Each waits until the other is at work.
  const meet = (own: string, other: string) => ({
    [`0000_${own}`]: `create table met_${own} (id integer);`,
    [`0001_${own}`]: `do $$ begin
  for i in 1..300 loop
    exit when exists (select from pg_class where relname = 'met_${other}');
    perform pg_sleep(0.05);
  end loop;
  if not exists (select from pg_class where relname = 'met_${other}') then raise 'nobody came'; end if;
end $$;`,
  });
  const [one, other] = await Promise.all([
    historyFolder(meet("one", "other")),
    historyFolder(meet("other", "one")),
  ]);
  const second = await createDatabase();
  const sleeping = historyFolder({ "0000_slow": "select pg_sleep(1);" });
  const elsewhere = new DatabaseMigrator({ url: second.url, dir: (await sleeping).dir }).migrate();
  const reports = await Promise.all([
    new DatabaseMigrator({ url: database.url, dir: one.dir, ledgerSchema: "one" }).migrate(),
    new DatabaseMigrator({ url: database.url, dir: other.dir, ledgerSchema: "other" }).migrate(),
    elsewhere,
  ]);
  expect(reports.map(({ outcome }) => outcome)).toEqual(["applied", "applied", "applied"]);
  await Promise.all([one.remove(), other.remove(), (await sleeping).remove()]);
  await second.drop();
});
