/**
 * A backfill beside the plain UPDATE in batches that people write by hand, on one machine in one run:
 *
 *   npm run bench:backfill -- [--rows <n>] [--rounds <n>] [--rates <n>,…] [--nice-ratio <n>] [--url <url> | --embedded]
 *
 * On the server of `--url`, as a role that may create databases, which are dropped again; else on the newest stock
 * server of this machine; else, or with `--embedded`, on an embedded one. Each side fills a column of a table of its
 * own, of `--rows` rows (default 5,000,000), all in one message a batch of 10,000 rows by hand; the sides take turns. Then each does so while a client, in a thread of its
 * own, updates rows of the table at random, one after the other: each of `--rates` a second in turn (default 200,1000,2000),
 * and once as fast as it can. Printed is what is left of the client's rate. The longest transaction is sampled from
 * pg_stat_activity. `--nice-ratio` is the backfill's `batch.niceRatio` (default 0).
 */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import postgres from "postgres";
import { DatabaseMigrator } from "../src/db/migrate/index.ts";
import { defineBackfill } from "../src/db/steps/index.ts";
import { openSetting } from "./setting.ts";

const BY_HAND = 10_000;
const ALONE_MS = 5_000;

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "5000000" },
    rounds: { type: "string", default: "1" },
    rates: { type: "string", default: "200,1000,2000" },
    "nice-ratio": { type: "string", default: "0" },
    url: { type: "string" },
    embedded: { type: "boolean", default: false },
  },
});
const rows = Number(values.rows);
const rounds = Number(values.rounds);
const rates = values.rates.split(",").map(Number);
const niceRatio = Number(values["nice-ratio"]);
if (!(rows > 0) || !(rounds > 0)) throw new Error("--rows and --rounds are numbers from 1");
if (!rates.every((rate) => rate > 0)) throw new Error("--rates are numbers from 1, with commas");

/** How long it took, in seconds, the longest transaction, and the client's updates a second, where it ran. */
interface Measured {
  readonly seconds: number;
  readonly longest: number;
  readonly client: number | undefined;
}

let setting: Awaited<ReturnType<typeof openSetting>>;
if (isMainThread) await main();
else await work(workerData);

async function main(): Promise<void> {
  setting = await openSetting(values);
  try {
    console.log(`${rows} rows, node ${process.version}, ${await setting.describe()}`);
    for (let round = 1; round <= rounds; round += 1) {
      const hand = await measure(byHand);
      const ours = await measure(backfill);
      console.log(
        `round ${round}\n  quiet: by hand ${show(hand)}, backfill ${show(ours)}: ${(ours.seconds / hand.seconds).toFixed(2)} times as long`,
      );
      for (const most of [...rates, Number.POSITIVE_INFINITY]) {
        const alone = await clientAlone(most);
        const busy = { ours: await measure(backfill, most), hand: await measure(byHand, most) };
        console.log(
          `  beside a client with ${Math.round(alone)} updates a second: by hand ${show(busy.hand)}, it keeps ${share(busy.hand, alone)}; backfill ${show(busy.ours)}, it keeps ${share(busy.ours, alone)}`,
        );
      }
    }
  } finally {
    await setting.close();
  }
}

function show({ seconds, longest }: Measured): string {
  return `${seconds.toFixed(1)} s (longest transaction ${longest.toFixed(2)} s)`;
}

function share({ client = 0 }: Measured, alone: number): string {
  return `${Math.round((client / alone) * 100)} % of its rate`;
}

async function filledTable(): Promise<string> {
  const url = await setting.createDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  await sql.unsafe(`create table people (id bigint primary key, first text not null, last text not null, full_name text, hits int not null default 0);
    insert into people (id, first, last) select i, 'first' || i, 'last' || i from generate_series(1, ${rows}) i`);
  await sql.unsafe("vacuum analyze people");
  await sql.unsafe("checkpoint");
  await sql.end();
  return url;
}

async function measure(fill: (url: string) => Promise<void>, most?: number): Promise<Measured> {
  const url = await filledTable();
  const over = new AbortController();
  const longest = watchTransactions(url, over.signal);
  const client = most === undefined ? undefined : updateAtRandom({ url, most }, over.signal);
  const started = performance.now();
  await fill(url);
  const seconds = (performance.now() - started) / 1000;
  over.abort();
  const updates = await client;
  return { seconds, longest: await longest, client: updates };
}

async function clientAlone(most: number): Promise<number> {
  const url = await filledTable();
  const over = new AbortController();
  const client = updateAtRandom({ url, most }, over.signal);
  await sleep(ALONE_MS);
  over.abort();
  return client;
}

async function byHand(url: string): Promise<void> {
  const sql = postgres(url, { max: 1 });
  for (let from = 0; from < rows; from += BY_HAND) {
    await sql.unsafe(
      `update people set full_name = first || ' ' || last where id > ${from} and id <= ${from + BY_HAND}`,
    );
  }
  await sql.end();
}

async function backfill(url: string): Promise<void> {
  const definition = defineBackfill({
    table: "people",
    set: "full_name = t.first || ' ' || t.last",
    batch: { niceRatio },
  });
  const history = [{ tag: "0001_fill", sql: "", step: { definition, version: "1" } }];
  await new DatabaseMigrator({ url, history }).migrate({ allowExisting: true });
}

interface Client {
  readonly url: string;
  /** What it wants; one that falls behind catches up. */
  readonly most: number;
}

/** The client's updates a second, until the signal. */
async function updateAtRandom(client: Client, signal: AbortSignal): Promise<number> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { ...client, rows } });
  const ended = once(worker, "message");
  signal.addEventListener("abort", () => worker.postMessage("stop"), { once: true });
  const [updates] = await ended;
  return updates;
}

/** The client's thread. */
async function work({ url, most, rows }: Client & { readonly rows: number }): Promise<void> {
  const sql = postgres(url, { max: 1 });
  let stopped = false;
  parentPort?.once("message", () => {
    stopped = true;
  });
  let updates = 0;
  await sql`select 1`;
  const started = performance.now();
  while (!stopped) {
    await sql`update people set hits = hits + 1 where id = ${Math.ceil(Math.random() * rows)}`;
    updates += 1;
    const earlyMs = (updates / most) * 1000 - (performance.now() - started);
    if (earlyMs > 0) await sleep(earlyMs);
  }
  const seconds = (performance.now() - started) / 1000;
  await sql.end();
  parentPort?.postMessage(updates / seconds);
}

/** The age of the oldest transaction that was seen, in seconds. */
async function watchTransactions(url: string, signal: AbortSignal): Promise<number> {
  const sql = postgres(url, { max: 1 });
  let longest = 0;
  while (!signal.aborted) {
    const [row] = await sql`
      select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8 as age
      from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`;
    longest = Math.max(longest, Number(row?.age));
    await sleep(50);
  }
  await sql.end();
  return longest;
}
