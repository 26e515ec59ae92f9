import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { messageOf } from "../base/problem.ts";
import { describeTarget, driverUrl, MigrateError } from "../migrate/index.ts";
import { sqlStateOf, TestDatabaseError } from "./errors.ts";

/** One connection to the server, outside the test databases. */
export interface Admin {
  readonly url: string;
  readonly role: string;
  /** As `server_version_num`: 180004. */
  readonly serverVersion: number;
  /** The database that it is connected to: advisory locks are within one. */
  readonly database: string;
  /** The server's clock when it was connected, in seconds since 1970. */
  readonly nowS: number;
  /** Sends one statement. Rejects with the server's error, or with TestDatabaseError `connect`. */
  readonly ask: <Row extends object>(statement: string) => Promise<readonly Row[]>;
}

/**
 * Connects, works, and disconnects.
 *
 * @throws TestDatabaseError `connect`
 */
export async function withAdmin<T>(url: string, use: (admin: Admin) => Promise<T>): Promise<T> {
  const { admin, close } = await connect(url);
  try {
    return await use(admin);
  } finally {
    await close();
  }
}

// A server that starts up, and one whose connections the other tests have taken.
const PASSING_STATES: ReadonlySet<string | undefined> = new Set(["57P03", "53300"]);
const CONNECT_TIMEOUT_MS = 10_000;
const PAUSE_MS = 100;

interface Connected {
  readonly admin: Admin;
  readonly close: () => Promise<void>;
}

async function connect(url: string): Promise<Connected> {
  const end = performance.now() + CONNECT_TIMEOUT_MS;
  for (;;) {
    try {
      return await tryConnect(url);
    } catch (cause) {
      if (!PASSING_STATES.has(sqlStateOf(cause)) || performance.now() > end) {
        throw connectError(url, cause);
      }
      await sleep(PAUSE_MS * (0.5 + Math.random()));
    }
  }
}

// What a role's defaults might bound is a test's own business; a template takes its time.
const GREETING = `select
  current_user as role,
  pg_catalog.current_setting('server_version_num')::integer as "serverVersion",
  pg_catalog.current_database() as database,
  extract(epoch from pg_catalog.clock_timestamp())::integer as "nowS",
  pg_catalog.set_config('statement_timeout', '0', false),
  pg_catalog.set_config('lock_timeout', '0', false),
  pg_catalog.set_config('idle_session_timeout', '0', false),
  pg_catalog.set_config('default_transaction_read_only', 'off', false)`;

type Greeting = Pick<Admin, "role" | "serverVersion" | "database" | "nowS">;

async function tryConnect(url: string): Promise<Connected> {
  const loss = lossOfConnection(url);
  const target = driverUrl(url);
  const sql = postgres(target.url, {
    ...target.options,
    max: 1,
    prepare: false,
    fetch_types: false,
    // The driver would connect again behind our back, without the lock that we hold.
    max_lifetime: null,
    idle_timeout: 0,
    connect_timeout: CONNECT_TIMEOUT_MS / 1000,
    connection: { application_name: "tidemark-testing" },
    onnotice: () => undefined,
    onclose: loss.report,
  });
  const close = () => sql.end({ timeout: 1 });
  const ask = async <Row extends object>(statement: string): Promise<readonly Row[]> => {
    const answer = sql.unsafe<Row[]>(statement);
    return (await Promise.race([answer, loss.promise])) as readonly Row[];
  };
  try {
    const [greeting] = await ask<Greeting>(GREETING);
    if (greeting === undefined) throw new Error("the server answered with no row");
    const { role, serverVersion, database, nowS } = greeting;
    return { admin: { url, role, serverVersion, database, nowS, ask }, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The driver never answers some statements of a lost connection: what waits must race its loss. */
function lossOfConnection(url: string) {
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<never>((_resolve, refuse) => {
    reject = refuse;
  });
  // Nobody may be waiting when it comes.
  promise.catch(() => undefined);
  const refuse = () => reject(connectError(url, new Error("the connection was lost")));
  // A turn later: when the server said why, the statement's own error comes first.
  return { promise, report: () => setImmediate(refuse) };
}

function connectError(url: string, cause: unknown): Error {
  // One of these is about the URL itself.
  if (cause instanceof TestDatabaseError || cause instanceof MigrateError) return cause;
  return new TestDatabaseError({
    code: "connect",
    fact: `Cannot work on the test server at ${describeTarget(url)}: ${messageOf(cause)}.`,
    remedy:
      "Start it, or correct `url` or TEST_DATABASE_URL; without both an embedded PostgreSQL is used.",
    cause,
  });
}
