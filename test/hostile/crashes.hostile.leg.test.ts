import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { countingHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { outcomeOf } from "../helpers/outcome.ts";
import { type PrivateServer, startPrivateServer } from "../helpers/private-server.ts";
import { numbersOf, SEED } from "../helpers/seed.ts";

const COUNT = 200;
const HISTORY = Object.entries(countingHistory(COUNT)).map(([tag, sql]) => ({ tag, sql }));

let server: PrivateServer;
beforeAll(async () => {
  server = await startPrivateServer({ max_connections: 15, fsync: "off", full_page_writes: "on" });
});
afterAll(() => server.stop());

type Harm = (server: PrivateServer, database: string) => Promise<unknown>;

const killBackends: Harm = async ({ ask }, database) => {
  const rows = await ask(
    `select pid from pg_stat_activity where datname = '${database}' and application_name = 'tidemark' limit 1`,
  );
  for (const { pid } of rows) process.kill(Number(pid), "SIGKILL");
};
const kill =
  (kind: string): Harm =>
  async ({ ask }) => {
    const rows = await ask(
      `select pid from pg_stat_activity where backend_type = '${kind}' limit 1`,
    );
    for (const { pid } of rows) process.kill(Number(pid), "SIGKILL");
  };

/** What befalls the server, how often in 200 migrations. The run goes on by itself, or the next one ends it. */
const HARMS: readonly (readonly [what: string, harm: Harm, times: number])[] = [
  ["kill -9 of the runner's backend", killBackends, 3],
  ["kill -9 of the checkpointer", kill("checkpointer"), 1],
  ["kill -9 of the WAL writer", kill("walwriter"), 1],
  ["an immediate restart", ({ crash }) => crash(), 3],
  [
    "its backend ended by an administrator",
    ({ ask }, database) =>
      ask(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}' and application_name = 'tidemark'`,
      ),
    1,
  ],
];

test.each(HARMS)("%s", { timeout: 240_000 }, async (_, harm, times) => {
  const random = numbersOf(SEED);
  const database = `crash_${Math.floor(random() * 1e9)}_${HARMS.findIndex(([what]) => what === _)}`;
  await server.ask(`create database ${database}`);
  // One that would wait for ever is told so.
  const migrator = new DatabaseMigrator({
    url: server.url(database),
    history: HISTORY,
    deadlineMs: 60_000,
  });
  let at = 0;
  const moments = Array.from(
    { length: times },
    () => 5 + Math.floor(random() * (COUNT - 30)),
  ).toSorted((a, b) => a - b);
  const harms: Promise<unknown>[] = [];
  const run = () =>
    outcomeOf(
      migrator.migrate({
        onProgress: ({ kind }) => {
          if (kind !== "migration-done") return;
          at += 1;
          if (at < (moments[0] ?? Number.POSITIVE_INFINITY)) return;
          moments.shift();
          harms.push(harm(server, database).catch(() => undefined));
        },
      }),
    );
  const ends: string[] = [];
  do {
    ends.push(await run());
    await Promise.all(harms);
    await setTimeout(20);
  } while (!/^(applied|current)/.test(ends.at(-1) ?? "") && ends.length < 8);
  expect([SEED, ...ends]).toEqual([
    SEED,
    ...ends.slice(0, -1).map(() => expect.stringMatching(/^(connect|lease_lost)$/)),
    expect.stringMatching(/^(applied|current)/),
  ]);
  expect(harms.length).toBe(times);
  const rows = await server.ask(
    "select count(*)::int as n, count(distinct n)::int as each from ticks",
    database,
  );
  expect([SEED, ...rows]).toEqual([SEED, { n: COUNT - 1, each: COUNT - 1 }]);
  await expectFoldToMatch(server.url(database));
});
