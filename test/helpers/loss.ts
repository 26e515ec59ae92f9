import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect } from "vitest";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { createEventStore } from "../../src/eventstore/index.ts";

export interface LossOptions {
  /** A migrated database, directly. */
  readonly url: string;
  /** As the processes reach it; a pooler's URL, for one. */
  readonly through?: string;
  readonly seconds: number;
}

export interface LossReport {
  /** Committed in all instances. */
  readonly events: number;
  readonly rolledBackNumbers: number;
  readonly kills: number;
  /** Of the projection: all three must be 0. */
  readonly missing: number;
  readonly repeated: number;
  readonly outOfOrder: number;
  /** What a reader without a barrier has missed of one instance: 0 would prove nothing. */
  readonly naiveMissed: number;
}

const INSTANCES = ["loss1", "loss2", "loss3"];
const WRITERS = 8;
const PROJECTORS = 2;

/**
 * Lets eight processes write with pauses and rollbacks and two project, kills one after the other at
 * random, and compares what was projected with what was committed.
 */
export async function measureLoss({
  url,
  through = url,
  seconds,
}: LossOptions): Promise<LossReport> {
  const pool = new DatabasePool({ url, applicationName: "loss harness" });
  const script = await bundledChild();
  const children: { readonly role: string; child: ChildProcess }[] = [];
  const start = (role: string) =>
    spawn(process.execPath, [script.file, role, through, INSTANCES.join(",")], {
      stdio: ["ignore", "inherit", "inherit"],
    });
  const kill = async (child: ChildProcess) => {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  try {
    await pool.query(
      "create table projections.loss_seen (seen_order bigserial, instance_id text, position bigint)",
    );
    for (let i = 0; i < WRITERS; i += 1) children.push({ role: "writer", child: start("writer") });
    for (let i = 0; i < PROJECTORS; i += 1) {
      children.push({ role: "projector", child: start("projector") });
    }
    const reading = new AbortController();
    const naive = readNaively(url, reading.signal);
    let kills = 0;
    for (const end = performance.now() + seconds * 1_000; performance.now() < end; ) {
      await sleep(300 + Math.random() * 400);
      const victim = children[Math.floor(Math.random() * children.length)];
      if (victim === undefined) continue;
      await kill(victim.child);
      victim.child = start(victim.role);
      kills += 1;
    }
    for (const { role, child } of children) if (role === "writer") await kill(child);
    await caughtUp(pool);
    reading.abort();
    return { ...(await compare(pool)), kills, naiveMissed: await missedBy(pool, await naive) };
  } finally {
    for (const { child } of children) child.kill("SIGKILL");
    await pool.close();
    await script.remove();
  }
}

/** One file, so that a process is at work within a fraction of a second. */
async function bundledChild() {
  const dir = await mkdtemp(join(tmpdir(), "tidemark-loss-"));
  const file = join(dir, "child.mjs");
  await build({
    entryPoints: [fileURLToPath(new URL("loss-child.ts", import.meta.url))],
    outfile: file,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "error",
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  return { file, remove: () => rm(dir, { recursive: true, force: true }) };
}

/** As readers do that take the highest number they saw for the end: no barrier. */
async function readNaively(url: string, signal: AbortSignal): Promise<ReadonlySet<number>> {
  const pool = new DatabasePool({ url, max: 1, applicationName: "loss naive" });
  const read = new Set<number>();
  let cursor = 0;
  try {
    for (let isLast = false; ; isLast = signal.aborted) {
      const rows = await pool.query<{ position: number }>(
        `select global_sequence as position from eventstore.events
         where instance_id = $1 and global_sequence > $2 order by global_sequence limit 1000`,
        [INSTANCES[0], cursor],
      );
      for (const { position } of rows) read.add(position);
      cursor = rows.at(-1)?.position ?? cursor;
      if (isLast) return read;
      await sleep(2);
    }
  } finally {
    await pool.close();
  }
}

/** Waits until the projection has come to what is committed, and nobody writes any more. */
async function caughtUp(pool: DatabasePool): Promise<void> {
  const store = createEventStore({ pool });
  await expect
    .poll(
      async () => {
        const behind = [];
        for (const instanceId of INSTANCES) {
          const barrier = (await store.barrier(instanceId)) ?? 0;
          const row = await pool.queryOne<{ behind: number }>(
            `select count(*)::int as behind from eventstore.events e
             left join projections.current_states s
               on s.instance_id = e.instance_id and s.projection_name = 'loss'
             where e.instance_id = $1 and e.global_sequence <= $2
               and e.global_sequence > coalesce(s.position, 0)`,
            [instanceId, barrier],
          );
          behind.push(row?.behind);
        }
        return behind;
      },
      { timeout: 60_000, interval: 100 },
    )
    .toEqual(INSTANCES.map(() => 0));
}

async function compare(pool: DatabasePool) {
  const row = await pool.queryOne<Omit<LossReport, "kills" | "naiveMissed">>(
    `with e as (
       select instance_id, global_sequence as position from eventstore.events
       where instance_id = any($1)
     ),
     s as (
       select instance_id, position, seen_order,
         lag(position) over (partition by instance_id order by seen_order) as before
       from projections.loss_seen
     )
     select
       (select count(*)::int from e) as events,
       (select max(position) - min(position) + 1 - count(*) from e)::int as "rolledBackNumbers",
       (select count(*)::int from e where not exists (
         select from s where s.instance_id = e.instance_id and s.position = e.position
       )) as missing,
       (select (count(*) - count(distinct (instance_id, position)))::int from s) as repeated,
       (select count(*)::int from s where before >= position) as "outOfOrder"`,
    [INSTANCES],
  );
  if (row === undefined) throw new Error("the comparison returned no row");
  return row;
}

async function missedBy(pool: DatabasePool, read: ReadonlySet<number>): Promise<number> {
  const rows = await pool.query<{ position: number }>(
    "select global_sequence as position from eventstore.events where instance_id = $1",
    [INSTANCES[0]],
  );
  return rows.filter(({ position }) => !read.has(position)).length;
}
