import { describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { bootTogether } from "../helpers/boot-together.ts";
import { createDatabase, urlOfDatabase, useDatabase } from "../helpers/database.ts";
import { historyFolder, THREE, useHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { runHerd, startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory(THREE);

describe("processes that boot at one moment on an empty database", () => {
  test.each([2, 12])(
    "%i of them: all succeed, each migration runs once, nobody is in a deadlock",
    (count) => bootTogether({ database, folder, count, runners: 1 }),
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
  // The first may be through with its table before the other has looked what there is.
  const beside = { allowExisting: true };
  const { url } = database;
  const reports = await Promise.all([
    new DatabaseMigrator({ url, dir: one.dir, ledgerSchema: "one" }).migrate(beside),
    new DatabaseMigrator({ url, dir: other.dir, ledgerSchema: "other" }).migrate(beside),
    elsewhere,
  ]);
  expect(reports.map(({ outcome }) => outcome)).toEqual(["applied", "applied", "applied"]);
  await Promise.all([one.remove(), other.remove(), (await sleeping).remove()]);
  await second.drop();
});
