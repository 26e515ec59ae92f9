import { beforeEach, describe, expect, test } from "vitest";
import type { MigrateError, Progress } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { FilledDatabaseMigrator } from "../helpers/migrator.ts";
import { tcpProxy } from "../helpers/network.ts";
import { startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory();

beforeEach(async () => {
  await database.sql.unsafe(`create table users (id integer primary key, email text);
    create index old_idx on users (email);`);
});

function migrator(url = database.url): FilledDatabaseMigrator {
  return new FilledDatabaseMigrator({ url, dir: folder.dir });
}

/** As if the lease had run out. */
async function expireLease(): Promise<void> {
  await database.sql`update tidemark.runner set expires_at = now() - interval '1 s'`;
}

async function waitsForLock(): Promise<boolean> {
  const rows = await database.sql`
    select from pg_stat_activity
    where datname = current_database() and query like '/* tidemark %' and wait_event_type = 'Lock'`;
  return rows.length > 0;
}

describe("a runner that is frozen around a statement outside transactions", () => {
  test.each(["begin:0000_drop#1", "settings", "statement:0000_drop#1"] as const)(
    "before %s, until another has gone on, does not run it when it wakes",
    async (message) => {
      await folder.make({
        "0000_drop": "drop index concurrently old_idx;",
        // It is made again: whoever runs the statement above a second time drops this one.
        "0001_again": "create index old_idx on users (id);",
      });
      const frozen = await startRunner();
      const failpoint = { phase: "before", message, signal: "SIGSTOP" } as const;
      frozen.start({ options: { url: database.url, dir: folder.dir }, failpoint });
      await frozen.atFailpoint;
      await expireLease();
      const report = await migrator().migrate();
      expect(report.version).toBe("0001_again");
      const idle = async () => {
        const rows = await database.sql`
        select from pg_stat_activity
        where datname = current_database() and application_name = 'tidemark'`;
        return rows.length;
      };
      // The server ends a session from which the statement could still come.
      if (message !== "begin:0000_drop#1") await expect.poll(idle, { timeout: 15_000 }).toBe(0);
      frozen.resume();
      const end = await frozen.end;
      expect(end.error).toBeUndefined();
      expect(end.report?.version).toBe("0001_again");
      expect(
        await database.sql`select indexdef from pg_indexes where indexname = 'old_idx'`,
      ).toMatchObject([{ indexdef: expect.stringContaining("(id)") }]);
      const { events } = await expectFoldToMatch(database.url);
      expect(events.filter(({ type }) => type === "migration.done")).toHaveLength(2);
    },
  );

  test("while it runs: the next one waits for the statement, and both end well", async () => {
    await folder.make({
      "0000_index":
        "create index concurrently email_idx on users (email);\ninsert into users values (7);",
    });
    const holder = await database.sql.reserve();
    await holder.unsafe("begin; lock table users in row exclusive mode");
    const frozen = await startRunner();
    const failpoint = {
      phase: "sent",
      message: "statement:0000_index#1",
      signal: "SIGSTOP",
    } as const;
    frozen.start({ options: { url: database.url, dir: folder.dir }, failpoint });
    await frozen.atFailpoint;
    await expect.poll(waitsForLock, { timeout: 10_000 }).toBe(true);
    await expireLease();
    const seen: Progress[] = [];
    const run = migrator().migrate({ onProgress: (item) => seen.push(item) });
    await expect
      .poll(() => seen.some((item) => item.kind === "waiting" && item.holder.zombie !== null))
      .toBe(true);
    await holder.unsafe("rollback");
    holder.release();
    expect((await run).outcome).toBe("applied");
    frozen.resume();
    const end = await frozen.end;
    expect(end.error).toBeUndefined();
    expect(await database.sql`select id from users`).toEqual([{ id: 7 }]);
    await expectFoldToMatch(database.url);
  });
});

describe("a runner at work on a statement outside transactions", () => {
  test("renews its lease by a second connection, so that nobody thinks it dead", async () => {
    await folder.make({
      "0000_index": "create index concurrently email_idx on users (email);",
    });
    const holder = await database.sql.reserve();
    await holder.unsafe("begin; lock table users in row exclusive mode");
    const run = migrator().migrate();
    const expiry = async () => {
      const [row] = await database.sql<
        { at: Date }[]
      >`select expires_at as at from tidemark.runner`;
      return row?.at.getTime() ?? 0;
    };
    await expect.poll(waitsForLock, { timeout: 10_000 }).toBe(true);
    const before = await expiry();
    await expect.poll(expiry, { timeout: 10_000 }).toBeGreaterThan(before);
    await holder.unsafe("rollback");
    holder.release();
    await run;
  });

  test.each(["its session is terminated", "its connection is cut"])(
    "comes back when %s, waits for what it left, clears it away and goes on",
    async (how) => {
      await folder.make({
        "0000_index":
          "insert into users values (1);\ncreate index concurrently email_idx on users (email);\ninsert into users values (2);",
      });
      const proxy = await tcpProxy(database.url);
      const holder = await database.sql.reserve();
      await holder.unsafe("begin; lock table users in row exclusive mode");
      const kinds: string[] = [];
      const migrate = () =>
        migrator(proxy.url).migrate({ onProgress: ({ kind }) => kinds.push(kind) });
      // An administrator's end of a session stops a run: somebody starts another one.
      const run = migrate().catch((error: MigrateError) => {
        expect(error.fact).toMatch(/^An administrator ended this run's session/);
        return migrate();
      });
      await expect.poll(waitsForLock, { timeout: 10_000 }).toBe(true);
      if (how === "its connection is cut") proxy.reset();
      else {
        await database.sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and query like '/* tidemark %'`;
      }
      await expect.poll(() => kinds).toContain("reconnecting");
      await holder.unsafe("rollback");
      holder.release();
      expect((await run).outcome).toBe("applied");
      expect(kinds).toContain("statement-found");
      expect(await database.sql`select id from users order by id`).toEqual([{ id: 1 }, { id: 2 }]);
      expect(
        await database.sql`select indisvalid from pg_index where indexrelid = 'email_idx'::regclass`,
      ).toEqual([{ indisvalid: true }]);
      await proxy.close();
    },
  );
});
