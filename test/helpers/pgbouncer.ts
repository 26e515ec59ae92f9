import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./network.ts";

export interface PgBouncer {
  /** The URL given, through the pooler. */
  readonly through: (url: string) => string;
  readonly stop: () => Promise<void>;
}

/**
 * A PgBouncer in transaction mode in front of the server, for these URLs' users: an ordinary
 * process, which ends with `stop`.
 *
 * @param settings of its `[pgbouncer]` section, e.g. `{ default_pool_size: 1 }`
 */
export async function startPgBouncer(
  urls: readonly string[],
  settings: Readonly<Record<string, string | number>>,
): Promise<PgBouncer> {
  const [server] = urls.map((url) => new URL(url));
  const port = await freePort();
  const dir = await mkdtemp(join(tmpdir(), "tidemark-pgbouncer-"));
  // It refuses to be root, and the user that it becomes reads its files.
  await chmod(dir, 0o755);
  const users = new Map(urls.map((url) => userOf(url)));
  await writeFile(
    join(dir, "users"),
    [...users].map(([name, password]) => `"${name}" "${password}"\n`).join(""),
  );
  const all = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    auth_type: "trust",
    auth_file: join(dir, "users"),
    pool_mode: "transaction",
    max_client_conn: 500,
    ...(process.geteuid?.() === 0 && { user: "nobody" }),
    ...settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}\n`);
  await writeFile(
    join(dir, "pgbouncer.ini"),
    `[databases]\n* = host=${server?.hostname} port=${server?.port}\n[pgbouncer]\n${lines.join("")}`,
  );
  const child = spawn(process.env.PGBOUNCER ?? "/usr/sbin/pgbouncer", [join(dir, "pgbouncer.ini")]);
  let log = "";
  // Known also where it ends before it is told to: its last words are then the test's.
  const gone = once(child, "exit");
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      log += chunk;
      if (log.includes("process up")) resolve();
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`PgBouncer ended with ${code}: ${log}`)));
  });
  return {
    through: (url) => Object.assign(new URL(url), { port: String(port) }).href,
    stop: async () => {
      const endedBefore = child.exitCode ?? child.signalCode;
      child.kill("SIGTERM");
      await gone;
      await rm(dir, { recursive: true, force: true });
      if (endedBefore !== null)
        throw new Error(`PgBouncer ended by itself (${endedBefore}): ${log}`);
    },
  };
}

function userOf(url: string): readonly [name: string, password: string] {
  const { username, password } = new URL(url);
  return [decodeURIComponent(username), decodeURIComponent(password)];
}
