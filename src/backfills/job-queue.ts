import { createHash } from "node:crypto";
import { Logger, run, type WorkerUtils } from "graphile-worker";
import pg from "pg";
import type { BackfillStatus, Tag } from "../db/migrate/index.ts";
import type { JobQueue, JobQueueOptions } from "./job-types.ts";
import { findServer } from "./server-address.ts";

/** The job engine's own schema, made by its migrations. */
const SCHEMA = "graphile_worker";
const TASK = "backfill";
/** Of different tables. */
const AT_ONCE = 2;
/** A process that has begun a job claims its backfill within this time; else it is gone. */
const UNCLAIMED_MS = 3_000;
/** Of a queue's name, in the engine. */
const LONGEST_NAME = 128;
const CONNECT_MS = 5_000;

/**
 * Starts the job engine, which makes its schema where that is not there.
 *
 * @throws the driver's error
 */
export async function openJobQueue({
  url,
  work,
  onLog,
  onEnd,
}: JobQueueOptions): Promise<JobQueue> {
  const { prepares, ...config } = await findServer(url, CONNECT_MS);
  // One listens.
  const pool = new pg.Pool({ ...config, max: AT_ONCE + 1 });
  pool.on("error", (error) => onLog("warning", error.message));
  pool.on("connect", (client) => client.on("error", () => undefined));
  const mine = new Set<Tag>();
  const logger = new Logger(() => (level, message) => onLog(level, message));
  try {
    const runner = await run({
      ...{ pgPool: pool, schema: SCHEMA, concurrency: AT_ONCE, logger, pollInterval: 1_000 },
      ...{ noHandleSignals: true, noPreparedStatements: !prepares, parsedCronItems: [] },
      taskList: {
        [TASK]: async (payload) => {
          const { tag } = payload as { readonly tag: Tag };
          mine.add(tag);
          try {
            await work(tag);
          } finally {
            mine.delete(tag);
          }
        },
      },
    });
    runner.promise.catch(onEnd);
    return {
      offer: (all, waiting) => offer({ pool, addJob: runner.addJob, mine }, all, waiting),
      close: async () => {
        // It throws where it has ended by itself.
        await runner.stop().catch(() => undefined);
        await pool.end();
      },
    };
  } catch (error) {
    await pool.end();
    throw error;
  }
}

interface Engine {
  readonly pool: pg.Pool;
  readonly addJob: WorkerUtils["addJob"];
  /** What this process is at work on. */
  readonly mine: ReadonlySet<Tag>;
}

interface JobRow {
  readonly key: Tag;
  readonly locked_by: string | null;
  readonly is_stale: boolean;
  readonly is_given_up: boolean;
}

async function offer(
  { pool, addJob, mine }: Engine,
  all: readonly BackfillStatus[],
  waiting: readonly Tag[],
): Promise<void> {
  const { rows } = await pool.query<JobRow>(
    `select j.key, j.locked_by, j.attempts >= j.max_attempts as is_given_up,
  j.locked_at < pg_catalog.now() - pg_catalog.make_interval(secs => $2) as is_stale
from ${SCHEMA}.jobs j where j.task_identifier = $1 and j.key is not null`,
    [TASK, UNCLAIMED_MS / 1000],
  );
  const running = new Set(all.filter(({ isRunning }) => isRunning).map(({ tag }) => tag));
  // The engine would keep them for four hours. The ledger knows who is at work.
  const left = rows.filter(
    ({ key, locked_by, is_stale }) =>
      locked_by !== null && is_stale && !running.has(key) && !mine.has(key),
  );
  const gone = [...left.flatMap(({ locked_by }) => locked_by ?? []), ...(await queuesLeft(pool))];
  if (gone.length > 0) {
    await pool.query(`select ${SCHEMA}.force_unlock_workers($1::pg_catalog.text[])`, [gone]);
  }
  for (const { tag, table } of all) {
    if (!waiting.includes(tag)) continue;
    const known = rows.find(({ key }) => key === tag);
    if (known !== undefined && !known.is_given_up && !left.includes(known)) continue;
    // One that is there is due at once; a locked one is let run, and a new one made.
    await addJob(TASK, { tag }, { jobKey: tag, queueName: queueOf(table), jobKeyMode: "replace" });
  }
}

/** Workers that still have a queue, and no job of it any more: those whose job another process has ended. */
async function queuesLeft(pool: pg.Pool): Promise<readonly string[]> {
  const { rows } = await pool.query<{ locked_by: string }>(
    `select q.locked_by from ${SCHEMA}._private_job_queues q
where q.locked_at < pg_catalog.now() - pg_catalog.make_interval(secs => $1)
  and q.queue_name like $2
  and not exists (select from ${SCHEMA}.jobs j where j.locked_by = q.locked_by)`,
    [UNCLAIMED_MS / 1000, `${TASK}:%`],
  );
  return rows.map(({ locked_by }) => locked_by);
}

/** Jobs of one queue run one after the other: those of a table. */
function queueOf(table: string): string {
  const name = `${TASK}:${table}`;
  if (name.length <= LONGEST_NAME) return name;
  return `${TASK}:${createHash("sha256").update(table).digest("hex")}`;
}
