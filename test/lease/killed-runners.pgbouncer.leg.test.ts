import postgres from "postgres";
import { describe, expect, onTestFinished, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { startPgBouncer } from "../helpers/pgbouncer.ts";
import { startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory();

async function pooled(size: number): Promise<string> {
  const pooler = await startPgBouncer([database.url], { default_pool_size: size });
  onTestFinished(pooler.stop);
  return pooler.through(database.url);
}

// PgBouncer up to 1.20 hands a server connection on while replies of the client before are outstanding.
describe("runners that are killed again and again", () => {
  const SLOW = Object.fromEntries(
    Array.from({ length: 6 }, (_, n) => [`000${n}_slow`, `select pg_sleep(0.3), ${n};`]),
  );

  test("give no other client of the pool a wrong answer", { timeout: 120_000 }, async () => {
    await folder.make(SLOW);
    const url = await pooled(20);
    const clients = postgres(url, { max: 15, prepare: false, onnotice: () => undefined });
    onTestFinished(() => clients.end({ timeout: 1 }));
    const wrong: unknown[] = [];
    let looping = true;
    const loops = Array.from({ length: 15 }, async () => {
      while (looping) {
        try {
          const rows = await clients.unsafe("select 42 as answer");
          if (rows.length !== 1 || rows[0]?.answer !== 42) wrong.push(rows);
        } catch (error) {
          wrong.push(error);
        }
      }
    });
    for (let n = 0; n < 6; n += 1) {
      const killed = await startRunner();
      killed.start({ options: { url, dir: folder.dir, ledgerSchema: `ledger_${n}` } });
      await killed.seen("migration-done");
      killed.child.kill("SIGKILL");
      await killed.end;
      // What it had sent ahead would come back now.
      await expect
        .poll(async () => (await busyRunners()).length, { timeout: 10_000, interval: 20 })
        .toBe(0);
    }
    looping = false;
    await Promise.all(loops);
    expect(wrong).toEqual([]);
  });

  test("leave the next one a ledger that it can read, in a pool of one", {
    timeout: 120_000,
  }, async () => {
    await folder.make(SLOW);
    const url = await pooled(1);
    for (let n = 0; n < 5; n += 1) {
      const options = { url, dir: folder.dir, ledgerSchema: `ledger_${n}` };
      const killed = await startRunner();
      killed.start({ options });
      await killed.seen("migration-done");
      killed.child.kill("SIGKILL");
      await killed.end;
      const { migrations } = await new DatabaseMigrator(options).status();
      expect(migrations).toHaveLength(6);
    }
  });
});

async function busyRunners() {
  return database.sql`
    select from pg_stat_activity where datname = current_database() and state = 'active' and query like '%pg_sleep(0.3)%'
      and pid <> pg_backend_pid()`;
}
