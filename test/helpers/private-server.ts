import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import postgres from "postgres";
import { pause } from "../../src/db/base/backoff.ts";
import { errorCode } from "../../src/db/base/problem.ts";
import { locateBinaries } from "../../src/db/embedded/binaries.ts";
import { freePort } from "./network.ts";

/** A server that a test may ill-treat: nobody else uses it. */
export interface PrivateServer {
  /** Of a database on it, as the superuser. */
  readonly url: (database: string) => string;
  /** Runs a statement as the superuser, on a connection of its own. */
  readonly ask: (sql: string, database?: string) => Promise<readonly Record<string, unknown>[]>;
  /** Reads its configuration again. */
  readonly reload: () => Promise<void>;
  /** Stops it as a lost machine would, without a checkpoint, and starts it again on the same port. */
  readonly crash: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

const run = promisify(execFile);

/** What the server's own settings would do to a session of the test's. */
const CALM = [
  "default_transaction_read_only=off",
  "session_replication_role=origin",
  "statement_timeout=0",
  "idle_in_transaction_session_timeout=0",
]
  .map((setting) => `-c ${setting}`)
  .join(" ");

/**
 * Starts a server of the version that the tests run on: of the folder `TEST_PG_BIN`, else the embedded one's.
 *
 * @param settings of its command line
 */
export async function startPrivateServer(
  settings: Readonly<Record<string, string | number>> = {},
): Promise<PrivateServer> {
  const bin = process.env.TEST_PG_BIN ?? dirname((await locateBinaries()).postgres);
  const folder = await mkdtemp(join(tmpdir(), "tidemark-private-"));
  const owner = await serverUser();
  await chmod(folder, 0o755);
  if (owner !== undefined) await chown(folder, owner.uid, owner.gid);
  const data = join(folder, "data");
  const port = await freePort();
  const as = { cwd: folder, ...owner };
  const initdb = ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"];
  await run(join(bin, "initdb"), [...initdb, "--no-sync"], as);
  const all = { listen_addresses: "127.0.0.1", port, unix_socket_directories: "", ...settings };
  const args = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const url = (database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`;
  let child: ChildProcess | undefined;
  const ask: PrivateServer["ask"] = async (sql, database = "postgres") => {
    for (;;) {
      try {
        return await askOnce(sql, database);
      } catch (error) {
        // It is starting up, or comes back by itself.
        if (
          !["57P03", "57P02", "ECONNREFUSED", "ECONNRESET", "CONNECTION_CLOSED"].includes(
            errorCode(error) ?? "",
          )
        )
          throw error;
        if (child?.exitCode !== null) throw error;
        await pause(50);
      }
    }
  };
  const askOnce = async (sql: string, database: string) => {
    const client = postgres(url(database), {
      max: 1,
      onnotice: () => undefined,
      connection: { options: CALM },
      connect_timeout: 5,
    });
    try {
      return await client.unsafe(sql);
    } finally {
      await client.end({ timeout: 1 });
    }
  };
  const start = async () => {
    const started = spawn(join(bin, "postgres"), ["-D", data, ...args], { ...as, stdio: "ignore" });
    child = started;
    await ask("select 1");
  };
  const end = async () => {
    const gone = child && once(child, "exit");
    // What pg_ctl calls immediate.
    child?.kill("SIGQUIT");
    await gone;
  };
  await start();
  const loadedAt = async () => (await ask("select pg_conf_load_time()::text as at"))[0]?.at;
  return {
    url,
    ask,
    reload: async () => {
      const before = await loadedAt();
      await ask("select pg_reload_conf()");
      while ((await loadedAt()) === before) await pause(5);
    },
    crash: async () => {
      await end();
      await start();
    },
    stop: async () => {
      await end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** PostgreSQL refuses root. */
async function serverUser(): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  const id = async (option: string, name: string) =>
    Number((await run("id", [option, name])).stdout);
  const name = await run("id", ["-u", "postgres"]).then(
    () => "postgres",
    () => "nobody",
  );
  return { uid: await id("-u", name), gid: await id("-g", name) };
}
