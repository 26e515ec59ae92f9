import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { THREE, useHistory } from "../helpers/history.ts";
import { startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory(THREE);
const HOUR_MS = 3_600_000;
const NOWHERE = "postgres://postgres@127.0.0.1:1/nowhere";

describe.each([
  ["goes back an hour at each look at it", -HOUR_MS],
  ["goes forward an hour at each look at it", HOUR_MS],
])("where this machine's clock %s", (_, stepMs) => {
  beforeEach(() => {
    const now = Date.now();
    let looks = 0;
    vi.spyOn(Date, "now").mockImplementation(() => {
      looks += 1;
      return now + looks * stepMs;
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test("a server that is not there is waited for as long as was asked, no longer and no shorter", async () => {
    const start = performance.now();
    const migrator = new DatabaseMigrator({ url: NOWHERE, dir: folder.dir, connectTimeoutMs: 700 });
    await expect(migrator.status()).rejects.toMatchObject({ code: "connect" });
    const tookMs = performance.now() - start;
    expect(tookMs).toBeGreaterThan(200);
    expect(tookMs).toBeLessThan(5_000);
  });

  test("another runner is waited for until its work is done", async () => {
    await folder.write("0001_add_author", `select pg_sleep(1);\n${THREE["0001_add_author"]}`);
    const options = { url: database.url, dir: folder.dir };
    const holder = await startRunner();
    const started = holder.seen("migration-started");
    holder.start({ options });
    await started;
    expect(await new DatabaseMigrator(options).migrate()).toMatchObject({ outcome: "current" });
    expect((await holder.end).report?.outcome).toBe("applied");
    await expect(
      new DatabaseMigrator({ ...options, waitTimeoutMs: 300 }).waitUntilCurrent(),
    ).resolves.toMatchObject({ outcome: "current" });
  });

  test("another runner is given up after its bound", async () => {
    await folder.write("0001_add_author", `select pg_sleep(2);\n${THREE["0001_add_author"]}`);
    const options = { url: database.url, dir: folder.dir };
    const holder = await startRunner();
    const started = holder.seen("migration-started");
    holder.start({ options });
    await started;
    const start = performance.now();
    const impatient = new DatabaseMigrator({ ...options, waitTimeoutMs: 300 });
    await expect(impatient.migrate()).rejects.toMatchObject({ code: "lock_timeout" });
    expect(performance.now() - start).toBeLessThan(1_800);
    await holder.end;
  });
});
