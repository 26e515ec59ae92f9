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
import { parseArgs } from "node:util";
import { historyFolder } from "../test/helpers/history.ts";
import { tcpProxy } from "../test/helpers/network.ts";
import { startPgBouncer } from "../test/helpers/pgbouncer.ts";
import { median, openSetting } from "./setting.ts";

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

const setting = await openSetting(values.url);
const history = await historyFolder(fiveStatementsEach(MIGRATIONS));
const proxy = await tcpProxy(setting.url, { delayMs: ONE_WAY_MS });
try {
  console.log(
    `${PAIRS} pairs, medians in ms, node ${process.version}, ${await setting.describe()}`,
  );
  await compareNoOp();
  await compareFromEmpty(`${MIGRATIONS} migrations x 5 statements, straight`, setting.url);
  await compareFromEmpty(`the same at a round trip of ${2 * ONE_WAY_MS} ms`, proxy.url);
  if (values.pgbouncer) await compareBehindPooler();
} finally {
  await proxy.close();
  await history.remove();
  await setting.close();
}

/** Behind a pooler one message is on its way at a time: what that costs where each takes long. */
async function compareBehindPooler(): Promise<void> {
  const pooler = await startPgBouncer([setting.url], { default_pool_size: 5 });
  const far = await tcpProxy(pooler.through(setting.url), { delayMs: ONE_WAY_MS });
  try {
    await compareFromEmpty(`the same, through PgBouncer`, far.url);
  } finally {
    await far.close();
    await pooler.stop();
  }
}

async function compareNoOp(): Promise<void> {
  const urls = {
    tidemark: await setting.createDatabase(),
    drizzle: await setting.createDatabase(),
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
    const database = await setting.createDatabase();
    const { pathname } = new URL(database);
    const took = await run(command(Object.assign(new URL(base), { pathname }).href, history.dir));
    await setting.dropDatabase(database);
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
