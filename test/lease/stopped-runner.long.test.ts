import { describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import type { Failpoint } from "../../src/db/migrate/run-types.ts";
import { expectOnce } from "../helpers/counted-once.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { countingHistory, useHistory } from "../helpers/history.ts";
import { startRunner } from "../helpers/runner-process.ts";

const folder = useHistory(countingHistory(3));

describe("a runner that is stopped and goes on", () => {
  const MESSAGES = [
    "look",
    "find-existing",
    "bootstrap",
    "take",
    "start",
    "migration:0000_create_ticks",
    "migration:0001_tick",
    "migration:0002_tick",
    "release",
  ] as const;
  const places = MESSAGES.flatMap((message) =>
    (["before", "sent", "after"] as const).map((phase): Failpoint => ({ phase, message })),
  )
    // The first look goes out while the driver connects: it has no moment of its own.
    .filter(({ phase, message }) => !(phase === "sent" && message === "look"));

  /** Stops one there past its lease, lets another do its work, and lets the first go on. */
  async function stopAt(point: Failpoint, victim: TestDatabase): Promise<void> {
    const options = { url: victim.url, dir: folder.dir };
    const stopped = await startRunner();
    stopped.start({ options, failpoint: { ...point, signal: "SIGSTOP" } });
    await stopped.atFailpoint;
    const [ledger] = await victim.sql`select to_regclass('tidemark.runner') is not null as there`;
    if (ledger?.there === true) {
      await victim.sql`update tidemark.runner set expires_at = clock_timestamp() where run_id is not null`;
    }
    const at = `${point.phase} ${point.message}`;
    const { version } = await new DatabaseMigrator(options).migrate();
    expect(version, at).toBe("0002_tick");
    stopped.resume();
    const end = await stopped.end;
    expect(end.error, at).toBeUndefined();
    expect(end.report?.version, at).toBe("0002_tick");
    await expectOnce(victim);
    const [runner] = await victim.sql`select run_id from tidemark.runner`;
    expect(runner, at).toEqual({ run_id: null });
  }

  test("at each place: another does the work when the lease is over, nothing is done twice, both succeed", {
    timeout: 120_000,
  }, async () => {
    const left = [...places];
    const work = async () => {
      for (let point = left.shift(); point !== undefined; point = left.shift()) {
        const victim = await createDatabase();
        await stopAt(point, victim);
        await victim.drop();
      }
    };
    // Most of the time each waits for the silence behind a lease.
    await Promise.all(Array.from({ length: 6 }, work));
    expect(places).toHaveLength(26);
  });
});
