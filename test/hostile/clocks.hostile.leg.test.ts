import { expect, test } from "vitest";
import { useDatabase } from "../helpers/database.ts";
import { THREE, useHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory(THREE);
const HOUR_MS = 3_600_000;

/** How far this machine's clock is from the right time. */
const CLOCKS: readonly (readonly [what: string, clockMs: number])[] = [
  ["an hour behind", -HOUR_MS],
  ["an hour ahead", HOUR_MS],
  ["a year behind", -365 * 24 * HOUR_MS],
  ["a year ahead", 365 * 24 * HOUR_MS],
  ["at 1970", -Date.now()],
  ["beyond 2038", 20 * 365 * 24 * HOUR_MS],
];

test.each(CLOCKS)(
  "a machine whose clock is %s migrates, waits and is waited for",
  async (_, clockMs) => {
    const options = {
      url: database.url,
      dir: folder.dir,
      waitTimeoutMs: 20_000,
      connectTimeoutMs: 5_000,
    };
    await folder.write("0001_add_author", `select pg_sleep(0.3);\n${THREE["0001_add_author"]}`);
    const runners = await Promise.all([startRunner(), startRunner(), startRunner()]);
    // Two are wrong, and one is right.
    for (const [i, runner] of runners.entries())
      runner.start({ options, clockMs: i === 1 ? 0 : clockMs });
    const ends = await Promise.all(runners.map(({ end }) => end));
    expect(ends.flatMap(({ error }) => error?.message ?? [])).toEqual([]);
    expect(ends.map(({ report }) => report?.outcome).toSorted()).toEqual([
      "applied",
      "current",
      "current",
    ]);
    expect(ends.flatMap(({ progress }) => progress.map(({ kind }) => kind))).not.toContain(
      "took-over",
    );
    const { events } = await expectFoldToMatch(database.url);
    expect(events.map(({ at }) => Math.abs(at.getTime() - Date.now()) < 60_000)).not.toContain(
      false,
    );
  },
);
