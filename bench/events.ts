/**
 * The event store and its projections, beside what they could cost at least and beside emmett's event
 * store for PostgreSQL, on one machine in one run:
 *
 *   npm run bench:events -- [--rounds <n>] [--seconds <s>] [--events <n>] [--url <url> | --embedded]
 *     [--only appends|projections|sizes]
 *
 * Bundled, as the application is when it is deployed. On the server of `--url`, as a role that may create databases,
 * which are dropped again; else on the newest stock server of this machine; else, or with `--embedded`, on an embedded
 * one. The sides take turns in each round; printed are medians and the medians of the rounds' ratios. Above 1 the event store is faster. `--events` is the size of the full table (default
 * 5,000,000, which takes some two minutes and 2 GB; 0 leaves that part out). The floor is a raw INSERT
 * into the same table: no version, no barrier, no check; over the pool, which gives each query its connection,
 * and over the bare driver. emmett is installed below
 * `.tidemark/bench` when it is first needed.
 */
import { parseArgs } from "node:util";
import { DatabaseMigrator } from "../src/db/migrate/index.ts";
import { compareAppends } from "./events/append.ts";
import { loadEmmett } from "./events/emmett.ts";
import { compareSizes } from "./events/full-table.ts";
import { compareProjections } from "./events/project.ts";
import { openSetting } from "./setting.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    events: { type: "string", default: "5000000" },
    url: { type: "string" },
    embedded: { type: "boolean", default: false },
    only: { type: "string" },
  },
});
const [rounds, seconds, events] = [values.rounds, values.seconds, values.events].map((text) => {
  const number = Number(text);
  if (!Number.isFinite(number) || number < 0) throw new Error(`not a number: ${text}`);
  return number;
}) as [number, number, number];

const setting = await openSetting(values);
try {
  const emmett = await loadEmmett();
  console.log(
    `${rounds} rounds of ${seconds} s, events a second, node ${process.version}, ${await setting.describe()}, emmett-postgresql ${emmett.version}`,
  );
  const migrated = async () => {
    const url = await setting.createDatabase();
    await new DatabaseMigrator({ url, dir: "drizzle" }).migrate();
    return url;
  };
  const both = async () => ({ ours: await migrated(), emmett: await setting.createDatabase() });
  const isWanted = (part: string) => values.only === undefined || values.only === part;
  if (isWanted("appends")) {
    await compareAppends({ databases: await both(), emmett, rounds, seconds });
  }
  if (isWanted("projections")) {
    await compareProjections({ databases: await both(), emmett, rounds });
  }
  if (isWanted("sizes") && events > 0) {
    const sizes = { empty: await migrated(), full: await migrated() };
    await compareSizes({ databases: sizes, rounds, seconds, events });
  }
} finally {
  await setting.close();
}
