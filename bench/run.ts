/**
 * Whole processes beside other migrators, and beside what it could cost at the least, on one machine in one run:
 *
 *   npm run bench -- [--rounds <n>] [--sizes 10,100,1000] [--peers drizzle,dbmate,…] [--only fresh,no-op]
 *     [--url <url> | --embedded] [--pgbouncer]
 *
 * On the server of `--url`, as a role that may create databases, which are dropped again; else on the newest stock
 * server of this machine (`/usr/lib/postgresql/*\/bin`), in a folder of the run's own; else, or with `--embedded`, on an
 * embedded one, whose PostgreSQL is built without JIT. The peers take turns in each round, and each is first as often as
 * the others. Printed are medians in milliseconds, and in brackets the median of the rounds' ratios of Tidemark to that
 * peer: below 1 Tidemark is faster. `far` is a round trip of 10 ms; `--pgbouncer` adds rows through a PgBouncer in
 * transaction mode (PGBOUNCER, default /usr/sbin/pgbouncer). Peers are installed below `.tidemark/bench`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { tcpProxy } from "../test/helpers/network.ts";
import { startPgBouncer } from "../test/helpers/pgbouncer.ts";
import { type Measured, runOnce, table } from "./measure.ts";
import { type BenchMigration, installPeers, type Peer, peers } from "./peers.ts";
import { openSetting } from "./setting.ts";

const ONE_WAY_MS = 5;
const SITUATIONS = ["no-op", "fresh", "far", "pooled"] as const;
type Situation = (typeof SITUATIONS)[number];

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    sizes: { type: "string", default: "10,100,1000" },
    peers: { type: "string" },
    only: { type: "string" },
    url: { type: "string" },
    embedded: { type: "boolean", default: false },
    pgbouncer: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const sizes = values.sizes.split(",").map(Number);
if (![rounds, ...sizes].every((n) => Number.isInteger(n) && n > 0)) {
  throw new Error("--rounds and --sizes are numbers from 1");
}

await installPeers();
const all = (await peers()).filter(
  ({ name }) => name === "tidemark" || (values.peers?.split(",").includes(name) ?? true),
);
const setting = await openSetting(values);
const home = await mkdtemp(join(tmpdir(), "tidemark-bench-"));
const proxy = await tcpProxy(setting.url, { delayMs: ONE_WAY_MS });
const pooler = values.pgbouncer
  ? await startPgBouncer([setting.url], { default_pool_size: 5 })
  : undefined;
try {
  console.log(`${rounds} rounds, node ${process.version}, ${await setting.describe()}\n`);
  for (const size of sizes) {
    const folders = new Map<Peer, string>();
    for (const peer of all) {
      folders.set(
        peer,
        await peer.write(fiveStatementsEach(size), join(home, peer.name, `${size}`)),
      );
    }
    for (const situation of SITUATIONS) {
      if (values.only !== undefined && !values.only.split(",").includes(situation)) continue;
      if (situation === "pooled" && pooler === undefined) continue;
      const measured =
        situation === "no-op" ? await noOp(folders) : await fresh(folders, situation);
      console.log(table(`${situation}, ${size} migrations × 5 statements`, measured));
    }
  }
} finally {
  await pooler?.stop();
  await proxy.close();
  await rm(home, { recursive: true, force: true });
  await setting.close();
}

/** A database where each peer has applied all. */
async function noOp(folders: ReadonlyMap<Peer, string>): Promise<Measured> {
  const urls = new Map<Peer, string>();
  for (const [peer, folder] of folders) {
    if (peer.forgets) continue;
    const url = await setting.createDatabase();
    await runOnce(peer.command(url, folder));
    urls.set(peer, url);
  }
  const measured = await inTurns([...urls.keys()], async (peer) =>
    runOnce(peer.command(urls.get(peer) ?? "", folders.get(peer) ?? "")),
  );
  for (const url of urls.values()) await setting.dropDatabase(url);
  return measured;
}

async function fresh(folders: ReadonlyMap<Peer, string>, situation: Situation): Promise<Measured> {
  const through = (url: string) => {
    if (situation === "fresh") return url;
    const base = situation === "far" ? proxy.url : (pooler?.through(setting.url) ?? "");
    return Object.assign(new URL(base), { pathname: new URL(url).pathname }).href;
  };
  return inTurns([...folders.keys()], async (peer) => {
    const url = await setting.createDatabase();
    const took = await runOnce(peer.command(through(url), folders.get(peer) ?? ""));
    await setting.dropDatabase(url);
    return took;
  });
}

/** In each round another begins: a machine's speed drifts. */
async function inTurns(
  list: readonly Peer[],
  measure: (peer: Peer) => Promise<number>,
): Promise<Measured> {
  const took = new Map<string, number[]>(list.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const i of list.keys()) {
      const peer = list[(i + round) % list.length];
      if (peer !== undefined) took.get(peer.name)?.push(await measure(peer));
    }
  }
  return took;
}

function fiveStatementsEach(count: number): readonly BenchMigration[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `table_${i}`,
    statements: [
      `CREATE TABLE "t${i}" ("id" serial PRIMARY KEY NOT NULL, "name" text NOT NULL);`,
      `CREATE INDEX "t${i}_name_idx" ON "t${i}" ("name");`,
      `ALTER TABLE "t${i}" ADD COLUMN "email" text;`,
      `ALTER TABLE "t${i}" ADD CONSTRAINT "t${i}_email_unique" UNIQUE("email");`,
      `INSERT INTO "t${i}" ("name") VALUES ('x');`,
    ],
  }));
}
