/**
 * Whole processes against drizzle's own migrator, in pairs:
 *
 *   npm run bench -- [--pairs <n>] [--url <url>] [--pgbouncer]
 *
 * On the server of `--url`, as a role that may create databases, which are dropped again; else on an
 * embedded one of the run's own, whose PostgreSQL is built without JIT. With `--pgbouncer` also
 * through a PgBouncer in transaction mode (PGBOUNCER, default /usr/sbin/pgbouncer). Prints medians and the
 * median of the pairs' ratios; below 1 Tidemark is faster.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import postgres from "postgres";
import { acquireEmbeddedServer, destroyEmbeddedServer } from "../src/db/embedded/index.ts";
import { historyFolder } from "../test/helpers/history.ts";
import { tcpProxy } from "../test/helpers/network.ts";
import { startPgBouncer } from "../test/helpers/pgbouncer.ts";

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "9" },
    url: { type: "string" },
    pgbouncer: { type: "boolean", default: false },
  },
});
const PAIRS = Number(values.pairs);
if (!Number.isInteger(PAIRS) || PAIRS < 1) throw new Error(`--pairs is ${values.pairs}`);
const MIGRATIONS = 100;
const ONE_WAY_MS = 5;

type Command = (url: string, dir: string) => readonly string[];

const tidemark: Command = (url, dir) => ["dist/cli/main.js", "migrate", "--url", url, "--dir", dir];
const drizzle: Command = (url, dir) => ["bench/drizzle-migrator.mjs", url, dir];

const PREFIX = `tidemark_bench_${process.pid}_`;
let databases = 0;
const server = await openServer(values.url);
const admin = postgres(server.url, { max: 1, onnotice: () => undefined });
const history = await historyFolder(fiveStatementsEach(MIGRATIONS));
const proxy = await tcpProxy(server.url, { delayMs: ONE_WAY_MS });
try {
  console.log(`${PAIRS} pairs, medians in ms, node ${process.version}, ${await describeServer()}`);
  await compareNoOp();
  await compareFromEmpty(`${MIGRATIONS} migrations x 5 statements, straight`, server.url);
  await compareFromEmpty(`the same at a round trip of ${2 * ONE_WAY_MS} ms`, proxy.url);
  if (values.pgbouncer) await compareBehindPooler();
} finally {
  await proxy.close();
  await history.remove();
  // On a server that is not thrown away.
  for (let n = 1; n <= databases; n += 1) {
    await admin.unsafe(`drop database if exists ${PREFIX}${n} with (force)`);
  }
  await admin.end();
  await server.close();
}

async function openServer(
  url: string | undefined,
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  if (url !== undefined) return { url, close: async () => undefined };
  const home = await mkdtemp(join(tmpdir(), "tidemark-bench-"));
  const embedded = await acquireEmbeddedServer({ dir: home, database: "postgres" });
  return {
    url: embedded.url,
    close: async () => {
      await embedded.release();
      await destroyEmbeddedServer({ dir: home });
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function describeServer(): Promise<string> {
  const [row] = await admin`
    select current_setting('server_version') as version, pg_jit_available() as available,
      current_setting('jit') as jit, current_setting('fsync') as fsync`;
  const jit = row?.available ? row.jit : "not built in";
  return `PostgreSQL ${row?.version} (${values.url === undefined ? "embedded" : "--url"}), jit ${jit}, fsync ${row?.fsync}`;
}

/** Behind a pooler one message is on its way at a time: what that costs where each takes long. */
async function compareBehindPooler(): Promise<void> {
  const pooler = await startPgBouncer([server.url], { default_pool_size: 5 });
  const far = await tcpProxy(pooler.through(server.url), { delayMs: ONE_WAY_MS });
  try {
    await compareFromEmpty(`the same, through PgBouncer`, far.url);
  } finally {
    await far.close();
    await pooler.stop();
  }
}

async function compareNoOp(): Promise<void> {
  const urls = {
    tidemark: await freshDatabase(server.url),
    drizzle: await freshDatabase(server.url),
  };
  await run(tidemark(urls.tidemark, history.dir));
  await run(drizzle(urls.drizzle, history.dir));
  await compare(`nothing pending, ${MIGRATIONS} migrations applied`, {
    tidemark: () => run(tidemark(urls.tidemark, history.dir)),
    drizzle: () => run(drizzle(urls.drizzle, history.dir)),
  });
}

async function compareFromEmpty(name: string, base: string): Promise<void> {
  const onFresh = (command: Command) => async () => {
    const url = await freshDatabase(base);
    const took = await run(command(url, history.dir));
    await admin.unsafe(`drop database ${new URL(url).pathname.slice(1)} with (force)`);
    return took;
  };
  await compare(name, { tidemark: onFresh(tidemark), drizzle: onFresh(drizzle) });
}

async function compare(
  name: string,
  sides: { readonly tidemark: () => Promise<number>; readonly drizzle: () => Promise<number> },
): Promise<void> {
  const pairs: { readonly ours: number; readonly theirs: number }[] = [];
  for (let i = 0; i < PAIRS; i += 1) {
    // In turn, and each first as often as the other: a machine's speed drifts.
    if (i % 2 === 0) {
      const ours = await sides.tidemark();
      pairs.push({ ours, theirs: await sides.drizzle() });
    } else {
      const theirs = await sides.drizzle();
      pairs.push({ ours: await sides.tidemark(), theirs });
    }
  }
  const ours = median(pairs.map((pair) => pair.ours));
  const theirs = median(pairs.map((pair) => pair.theirs));
  const ratio = median(pairs.map((pair) => pair.ours / pair.theirs));
  console.log(
    `${name.padEnd(48)} tidemark ${ours.toFixed(0).padStart(5)}  drizzle ${theirs.toFixed(0).padStart(5)}  ratio ${ratio.toFixed(2)}`,
  );
}

function run(args: readonly string[]): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "ignore"] });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => {
      if (code === 0) resolve(performance.now() - start);
      else reject(new Error(`${args.join(" ")} ended with ${code}`));
    });
  });
}

async function freshDatabase(base: string): Promise<string> {
  databases += 1;
  const name = `${PREFIX}${databases}`;
  await admin.unsafe(`create database ${name} template template0`);
  const url = new URL(base);
  url.pathname = `/${name}`;
  return url.href;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function fiveStatementsEach(count: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `${String(i).padStart(4, "0")}_table_${i}`,
      [
        `CREATE TABLE "t${i}" ("id" serial PRIMARY KEY NOT NULL, "name" text NOT NULL);`,
        `CREATE INDEX "t${i}_name_idx" ON "t${i}" ("name");`,
        `ALTER TABLE "t${i}" ADD COLUMN "email" text;`,
        `ALTER TABLE "t${i}" ADD CONSTRAINT "t${i}_email_unique" UNIQUE("email");`,
        `INSERT INTO "t${i}" ("name") VALUES ('x');`,
      ].join("\n--> statement-breakpoint\n"),
    ]),
  );
}
