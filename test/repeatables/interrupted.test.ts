import { expect, onTestFinished, test } from "vitest";
import { DatabaseMigrator, type Progress } from "../../src/db/migrate/index.ts";
import type { Failpoint } from "../../src/db/migrate/run-types.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { tcpProxy } from "../helpers/network.ts";

const database = useDatabase();
const folder = useHistory({ "0000_t": "create table t (id integer);" });
const options = (more: object = {}) => ({ url: database.url, dir: folder.dir, ...more });
const TRIGGER = `create or replace function f() returns trigger language plpgsql as 'begin return new; end';
create or replace trigger f before insert on t for each row execute function f();`;

test("one that gets no lock is rolled back, says who holds it, and is tried again", async () => {
  await new DatabaseMigrator(options()).migrate();
  await folder.repeat("f", TRIGGER);
  const seen: Progress[] = [];
  const holder = await database.sql.reserve();
  await holder`begin`;
  await holder`lock table t in row exclusive mode`;
  const migrator = new DatabaseMigrator(options({ lockTimeoutMs: 300, lockTries: 20 }));
  const report = await migrator.migrate({
    onProgress: (progress) => {
      seen.push(progress);
      if (progress.kind === "lock-retry") void holder`commit`.execute();
    },
  });
  holder.release();
  expect(report.repeatables).toMatchObject([{ tag: "repeatable/f", why: "new" }]);
  expect(seen.map(({ kind }) => kind)).toContain("lock-retry");
  expect((await migrator.events({ tag: "repeatable/f" })).map(({ type }) => type)).toEqual([
    "repeatable.done",
  ]);
});

test("one that never gets its lock is a lock time-out, recorded as such", async () => {
  await new DatabaseMigrator(options()).migrate();
  await folder.repeat("f", TRIGGER);
  const holder = await database.sql.reserve();
  await holder`begin`;
  await holder`lock table t in row exclusive mode`;
  const migrator = new DatabaseMigrator(options({ lockTimeoutMs: 300, lockTries: 1 }));
  await expect(migrator.migrate()).rejects.toMatchObject({
    code: "lock_timeout",
    tag: "repeatable/f",
    message: expect.stringContaining("tried 1 time"),
  });
  await holder`rollback`;
  holder.release();
  expect(await migrator.migrate()).toMatchObject({ repeatables: [{ tag: "repeatable/f" }] });
});

test("a run whose lease is another's by then writes nothing, and comes back for it", async () => {
  await folder.repeat("v", "create view v as select id from t;");
  let isRobbed = false;
  const onFailpoint = async ({ phase, message }: Failpoint) => {
    if (phase !== "before" || message !== "repeatable:repeatable/v" || isRobbed) return;
    isRobbed = true;
    // Another run has had the lease, and has given it back.
    await database.sql`update tidemark.runner set token = token + 1, run_id = null`;
  };
  const seen: string[] = [];
  const report = await new DatabaseMigrator(options(), { onFailpoint }).migrate({
    onProgress: ({ kind }) => seen.push(kind),
  });
  expect(seen).toContain("lease-lost");
  expect(report).toMatchObject({
    applied: [{ tag: "0000_t" }],
    repeatables: [{ tag: "repeatable/v" }],
  });
});

test("a run that is told to stop in one records that, and the next does it", async () => {
  await folder.repeat("slow", "select pg_sleep(30);");
  const stop = new AbortController();
  const migrator = new DatabaseMigrator(options());
  await expect(
    migrator.migrate({
      signal: stop.signal,
      onProgress: ({ kind }) => {
        if (kind === "repeatable-started") stop.abort();
      },
    }),
  ).rejects.toMatchObject({ code: "canceled", tag: "repeatable/slow", applied: ["0000_t"] });
  expect(await migrator.status()).toMatchObject({
    pendingRepeatables: 1,
    repeatables: [{ state: "FAILED", error: { sqlState: null } }],
  });
  await folder.repeat("slow", "select 1;");
  expect(await migrator.migrate()).toMatchObject({ repeatables: [{ why: "new" }] });
});

test("a connection that is lost after a commit is made again, and nothing runs twice", async () => {
  await folder.repeat("v", "create view v as select id from t;");
  await folder.repeat("w", "create view w as select id from v;");
  const proxy = await tcpProxy(database.url);
  onTestFinished(proxy.close);
  let isCut = false;
  const onFailpoint = async ({ phase, message }: Failpoint) => {
    if (phase !== "after" || message !== "repeatable:repeatable/v" || isCut) return;
    isCut = true;
    proxy.reset();
  };
  const migrator = new DatabaseMigrator(options({ url: proxy.url }), { onFailpoint });
  const report = await migrator.migrate();
  expect(report.repeatables.map(({ tag }) => tag)).toEqual(["repeatable/v", "repeatable/w"]);
  expect(await migrator.events({ tag: "repeatable/v" })).toHaveLength(1);
});
