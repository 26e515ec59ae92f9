import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import postgres from "postgres";
import { acquireEmbeddedServer, destroyEmbeddedServer } from "../src/db/embedded/index.ts";

/** A server, and databases on it for as long as the benchmark runs. */
export interface Setting {
  readonly url: string;
  /** Version, JIT and fsync of the server, for the first line of the output. */
  readonly describe: () => Promise<string>;
  /** The URL of a new empty database. */
  readonly createDatabase: () => Promise<string>;
  readonly dropDatabase: (url: string) => Promise<void>;
  /** Drops what is left of the databases; ends an embedded server. */
  readonly close: () => Promise<void>;
}

/**
 * On the server of `url`, as a role that may create databases; else on the newest stock server of this machine, or an
 * embedded one where there is none or it is wanted, in a folder of its own.
 */
export async function openSetting({
  url,
  embedded: isEmbedded = false,
}: {
  readonly url?: string | undefined;
  readonly embedded?: boolean;
}): Promise<Setting> {
  const server = await openServer(url, isEmbedded);
  const admin = postgres(server.url, { max: 1, onnotice: () => undefined });
  const names = new Set<string>();
  const drop = async (name: string) => {
    await admin.unsafe(`drop database if exists ${name} with (force)`);
    names.delete(name);
  };
  let count = 0;
  return {
    url: server.url,
    describe: async () => {
      const [row] = await admin`
        select current_setting('server_version') as version, pg_jit_available() as available,
          current_setting('jit') as jit, current_setting('fsync') as fsync`;
      const jit = row?.available ? row.jit : "not built in";
      return `PostgreSQL ${row?.version} (${server.kind}), jit ${jit}, fsync ${row?.fsync}`;
    },
    createDatabase: async () => {
      count += 1;
      const name = `tidemark_bench_${process.pid}_${count}`;
      names.add(name);
      await admin.unsafe(`create database ${name} template template0`);
      return Object.assign(new URL(server.url), { pathname: `/${name}` }).href;
    },
    dropDatabase: (database) => drop(new URL(database).pathname.slice(1)),
    close: async () => {
      for (const name of names) await drop(name);
      await admin.end();
      await server.close();
    },
  };
}

interface Server {
  readonly kind: string;
  readonly url: string;
  readonly close: () => Promise<void>;
}

async function openServer(url: string | undefined, isEmbedded: boolean): Promise<Server> {
  if (url !== undefined) return { kind: "--url", url, close: async () => undefined };
  const stock = isEmbedded ? undefined : await newestStock();
  return stock === undefined ? { kind: "embedded", ...(await embedded()) } : startStock(stock);
}

const STOCK = "/usr/lib/postgresql";

/** Where `initdb` and `pg_ctl` are. */
async function newestStock(): Promise<string | undefined> {
  const majors = await readdir(STOCK).catch(() => []);
  return majors
    .toSorted((a, b) => Number(b) - Number(a))
    .map((major) => join(STOCK, major, "bin"))
    .find((bin) => existsSync(join(bin, "initdb")));
}

/** With the settings that it comes with. */
async function startStock(bin: string): Promise<Server> {
  const script = 'echo "$TEST_DATABASE_URL"; read -r end';
  const child = spawn(resolve("scripts/with-postgres.sh"), [bin, "bash", "-c", script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const [first] = await Promise.race([
    once(child.stdout.setEncoding("utf8"), "data"),
    ended.then(() => {
      throw new Error(`the server of ${bin} did not start`);
    }),
  ]);
  return {
    kind: bin,
    url: String(first).trim(),
    close: async () => {
      child.stdin.end("\n");
      await ended;
    },
  };
}

async function embedded() {
  const home = await mkdtemp(join(tmpdir(), "tidemark-bench-"));
  const server = await acquireEmbeddedServer({ dir: home, database: "postgres" });
  return {
    url: server.url,
    close: async () => {
      await server.release();
      await destroyEmbeddedServer({ dir: home });
      await rm(home, { recursive: true, force: true });
    },
  };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
