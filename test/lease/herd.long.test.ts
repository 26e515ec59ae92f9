import { describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { bootTogether } from "../helpers/boot-together.ts";
import { createDatabase, useDatabase } from "../helpers/database.ts";
import { historyFolder, THREE, useHistory } from "../helpers/history.ts";
import { startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory(THREE);

test.each([
  [50, 1],
  [4, 50],
])(
  "%i processes with %i runs in each boot at one moment: all succeed, each migration runs once, nobody is in a deadlock",
  { timeout: 120_000 },
  (count, runners) => bootTogether({ database, folder, count, runners }),
);

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
});
