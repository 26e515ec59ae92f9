import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Catalog,
  compareCatalogs,
  describeDifference,
  readCatalog,
} from "../../src/db/catalog/index.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import type { Failpoint } from "../../src/db/migrate/run-types.ts";
import { MIXED } from "../helpers/chaos-history.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { type HistoryFolder, historyFolder } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { tcpProxy } from "../helpers/network.ts";
import { startRunner } from "../helpers/runner-process.ts";

/** Long runs are asked for: `CHAOS_RUNS=1000`. */
const CHAOS_RUNS = Number(process.env.CHAOS_RUNS ?? 12);
const AT_ONCE = 2;

let folder: HistoryFolder;
let undisturbed: Awaited<ReturnType<typeof contentOf>>;
let catalog: Catalog;
let points: readonly Failpoint[];
let durationMs: number;

beforeAll(async () => {
  folder = await historyFolder(MIXED);
  const database = await createDatabase();
  const seen: Failpoint[] = [];
  const onFailpoint = (point: Failpoint) => {
    seen.push(point);
  };
  const start = Date.now();
  const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir }, { onFailpoint });
  await migrator.migrate();
  durationMs = Date.now() - start;
  points = seen;
  undisturbed = await contentOf(database);
  catalog = await readCatalog({ url: database.url });
  await database.drop();
});

afterAll(async () => {
  await folder.remove();
});

test("the failpoints cover every message that a run sends", async () => {
  const database = await createDatabase();
  const sent: string[] = [];
  const proxy = await tcpProxy(database.url, {
    onMessage: (type, text) => {
      // Start-up and farewell are no messages of the run's.
      if (type !== "p" && type !== "X") sent.push(`${type} ${text}`);
    },
  });
  const passed: Failpoint[] = [];
  const onFailpoint = (point: Failpoint) => {
    passed.push(point);
  };
  await new DatabaseMigrator({ url: proxy.url, dir: folder.dir }, { onFailpoint }).migrate();
  await proxy.close();
  await database.drop();
  expect(sent.every((text) => text.startsWith("Q "))).toBe(true);
  expect(passed.filter(({ phase }) => phase === "before")).toHaveLength(sent.length);
  expect(passed.filter(({ phase }) => phase === "after")).toHaveLength(sent.length);
  // The first of a connection goes out while it is made.
  const first = passed.filter(({ phase, message }) => phase === "before" && message === "look")[0];
  expect(passed[0]).toEqual(first);
  expect(passed.filter(({ phase }) => phase === "sent")).toHaveLength(sent.length - 1);
});

const tally = { kills: 0, resumes: 0, runs: 0 };

describe("a runner that is killed, and the next ones", () => {
  test("make what an undisturbed run makes: at each failpoint, at random moments", {
    timeout: 60_000 + CHAOS_RUNS * 15_000,
  }, async () => {
    const todo = Array.from({ length: CHAOS_RUNS }, (_, i) => i);
    const order = shuffled(points.length);
    const work = async () => {
      for (let i = todo.shift(); i !== undefined; i = todo.shift()) {
        const nth = order[i];
        if (nth !== undefined) await disturbedRun({ nth });
        else await disturbedRun({ afterMs: Math.random() * durationMs * 1.5 });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    console.log(
      `${points.length} failpoints; ${tally.runs} histories, ${tally.kills} kills, ${tally.resumes} statements found under way, 0 divergences`,
    );
    expect(tally.kills).toBeGreaterThan(0);
  });
});

type Moment = { readonly nth: number } | { readonly afterMs: number };

async function disturbedRun(moment: Moment): Promise<void> {
  const database = await createDatabase();
  const at = "nth" in moment ? JSON.stringify(points[moment.nth]) : `after ${moment.afterMs} ms`;
  tally.runs += 1;
  await killedRun(database, moment);
  // Now and then the one that comes next is killed too.
  while (Math.random() < 0.3) await killedRun(database, { afterMs: Math.random() * durationMs });
  const migrator = new DatabaseMigrator({ url: database.url, dir: folder.dir });
  const report = await migrator.migrate({
    onProgress: ({ kind }) => {
      if (kind === "statement-found") tally.resumes += 1;
    },
  });
  expect(report.version, at).toBe("0009_last");
  expect(await contentOf(database), at).toEqual(undisturbed);
  await expectSameCatalog(database, at);
  await expectFoldToMatch(database.url);
  await database.drop();
}

async function killedRun(database: TestDatabase, moment: Moment): Promise<void> {
  const runner = await startRunner();
  const options = { url: database.url, dir: folder.dir };
  runner.start("nth" in moment ? { options, failpoint: moment } : { options });
  const timer =
    "afterMs" in moment
      ? setTimeout(() => runner.child.kill("SIGKILL"), moment.afterMs)
      : undefined;
  const end = await runner.end;
  clearTimeout(timer);
  if (end.signal === "SIGKILL") tally.kills += 1;
  if (end.error !== undefined) throw new Error(`${JSON.stringify(moment)}: ${end.error.message}`);
}

function shuffled(count: number): readonly number[] {
  const keys = Array.from({ length: count }, (_, value) => ({ value, key: Math.random() }));
  return keys.toSorted((a, b) => a.key - b.key).map(({ value }) => value);
}

/** What a history has made: rows and ledger. The ledger's own times and ids differ. */
async function contentOf({ sql }: TestDatabase) {
  return {
    ticks: await sql`select what from ticks order by what`,
    moods: await sql`select mood::text, count(*) from moods group by mood order by mood`,
    users: await sql`select count(*), sum(age), sum(team) from users`,
    events: await sql`select count(*) from events`,
    done: await sql`select tag, state, rank, checksum, statements_done from tidemark.schema_migrations order by rank`,
    head: await sql`select head from tidemark.runner`,
  };
}

/** Asserts that the catalog is the undisturbed one, indexes that are INVALID included. */
async function expectSameCatalog({ url }: TestDatabase, at: string): Promise<void> {
  const { differences } = compareCatalogs(catalog, await readCatalog({ url }));
  expect(differences.map(describeDifference), at).toEqual([]);
}
