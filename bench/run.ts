/**
 * Whole processes against drizzle's own migrator, in pairs, on one server of the run's own:
 *
 *   npm run bench [-- <pairs>]      (default: 9 pairs of each)
 *
 * Prints medians and the ratio of each pair's times; below 1 Tidemark is faster.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { acquireEmbeddedServer, destroyEmbeddedServer } from "../src/db/embedded.ts";
import { historyFolder } from "../test/helpers/history.ts";
import { tcpProxy } from "../test/helpers/network.ts";

const PAIRS = Number(process.argv[2] ?? 9);
const MIGRATIONS = 100;
const ONE_WAY_MS = 5;

type Command = (url: string, dir: string) => readonly string[];

const tidemark: Command = (url, dir) => ["dist/cli/main.js", "migrate", "--url", url, "--dir", dir];
const drizzle: Command = (url, dir) => ["bench/drizzle-migrator.mjs", url, dir];

let databases = 0;
const home = await mkdtemp(join(tmpdir(), "tidemark-bench-"));
const server = await acquireEmbeddedServer({ dir: home, database: "postgres" });
const admin = postgres(server.url, { max: 1, onnotice: () => undefined });
const history = await historyFolder(fiveStatementsEach(MIGRATIONS));
const proxy = await tcpProxy(server.url, { delayMs: ONE_WAY_MS });
try {
  console.log(
    `${PAIRS} pairs, medians in ms, node ${process.version}, PostgreSQL ${server.version}`,
  );
  await compareNoOp();
  await compareFromEmpty(`${MIGRATIONS} migrations x 5 statements, straight`, server.url);
  await compareFromEmpty(`the same at a round trip of ${2 * ONE_WAY_MS} ms`, proxy.url);
} finally {
  await proxy.close();
  await history.remove();
  await admin.end();
  await server.release();
  await destroyEmbeddedServer({ dir: home });
  await rm(home, { recursive: true, force: true });
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
  const name = `bench_${databases}`;
  await admin.unsafe(`create database ${name} template template0 strategy file_copy`);
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
