import { afterAll, afterEach, beforeAll, expect, vi } from "vitest";
import { DatabasePool, type PoolOptions, type Transaction } from "../../src/db/pool/index.ts";
import { createDatabase } from "./database.ts";

export interface PoolFixture {
  /** A pool of the test's own, to look from outside. */
  readonly admin: DatabasePool;
  readonly url: string;
  /** A pool under test, closed after the test. */
  open(options?: Partial<PoolOptions>): DatabasePool;
  /** The backends of the pools under test. */
  backends(): Promise<readonly { readonly pid: number }[]>;
  /** Ends the backend and waits until it is gone. */
  terminate(pid: number): Promise<void>;
  gone(pid: number): Promise<void>;
  /** Waits until a backend of the pools under test stands still in a statement. */
  blocked(): Promise<number>;
  /** Of the table `notes`, in order. */
  notes(): Promise<readonly Note[]>;
}

export interface Note {
  readonly run: number;
  readonly part: number;
}

type Database = DatabasePool | Transaction;

/** For `pg_stat_activity`, which shows the other test files' backends as well. */
export const TESTED = "datname = current_database() and application_name = 'tested'";

/** For each test file a database with an empty table `notes`, and pools over it. */
export function usePools(template: "empty" | "migrated"): PoolFixture {
  const opened = new Set<DatabasePool>();
  let database: Awaited<ReturnType<typeof createDatabase>>;
  let admin: DatabasePool;

  beforeAll(async () => {
    database = await createDatabase({ template });
    admin = new DatabasePool({ url: database.url, applicationName: "admin" });
    await admin.query("create table notes (run int, part int, primary key (run, part))");
  });

  afterEach(async () => {
    await Promise.all([...opened].map((pool) => pool.close({ timeoutMs: 0 })));
    opened.clear();
    // The server ends a backend some time after its client has gone.
    await vi.waitFor(async () => expect(await backends()).toEqual([]), 10_000);
    await admin.query("truncate notes");
  });

  afterAll(async () => {
    await admin?.close();
    await database?.drop();
  });

  const backends = () =>
    admin.query<{ readonly pid: number }>(`select pid from pg_stat_activity where ${TESTED}`);

  const gone = (pid: number) =>
    vi.waitFor(async () => {
      const left = await admin.query("select from pg_stat_activity where pid = $1", [pid]);
      expect(left).toEqual([]);
    }, 10_000);

  return {
    get admin() {
      return admin;
    },
    get url() {
      return database.url;
    },
    open: (options = {}) => {
      const pool = new DatabasePool({ url: database.url, applicationName: "tested", ...options });
      opened.add(pool);
      return pool;
    },
    backends,
    terminate: async (pid) => {
      await admin.query("select pg_terminate_backend($1)", [pid]);
      await gone(pid);
    },
    gone,
    blocked: () =>
      vi.waitFor(async () => {
        const row = await admin.queryOne<{ pid: number }>(
          `select pid from pg_stat_activity
           where ${TESTED} and state = 'active' and wait_event is not null`,
        );
        if (row === undefined) throw new Error("nobody stands still yet");
        return row.pid;
      }, 10_000),
    notes: () => admin.query<Note>("select run, part from notes order by run, part"),
  };
}

export async function write(database: Database, run: number, part: number): Promise<void> {
  await database.query("insert into notes (run, part) values ($1, $2)", [run, part]);
}

export async function ownPid(database: Database): Promise<number> {
  const row = await database.queryOne<{ pid: number }>("select pg_backend_pid() as pid");
  if (row === undefined) throw new Error("pg_backend_pid() returned no row");
  return row.pid;
}
