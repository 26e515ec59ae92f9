import {
  chown,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import {
  acquireEmbeddedServer,
  destroyEmbeddedServer,
  type EmbeddedServer,
} from "../../src/db/embedded/index.ts";
import { eventually } from "./embedded-folder.ts";

export interface Replication {
  /** URLs of a database on both, as the superuser. */
  readonly primaryUrl: (database: string) => string;
  readonly standbyUrl: (database: string) => string;
  readonly createDatabase: (name: string) => Promise<void>;
  /** Waits until the standby has replayed what the primary has written by now. */
  readonly catchUp: () => Promise<void>;
  /** Ends the primary as a lost machine would, and makes the standby a primary. */
  readonly failOver: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

const SETTINGS = { fsync: "off", full_page_writes: "off" };

/**
 * A primary and a hot standby that streams from it, both embedded servers. Their package has no
 * pg_basebackup: the standby's data is a copy of the stopped primary's.
 */
export async function startReplication(): Promise<Replication> {
  const root = await mkdtemp(join(tmpdir(), "tidemark-standby-"));
  const dirs = { primary: join(root, "primary"), standby: join(root, "standby") };
  const start = (name: keyof typeof dirs, settings: Readonly<Record<string, string>> = {}) =>
    acquireEmbeddedServer({
      dir: dirs[name],
      database: "postgres",
      settings: { ...SETTINGS, ...settings },
    });
  const removeAll = async () => {
    for (const dir of [dirs.standby, dirs.primary]) await destroyEmbeddedServer({ dir });
    await rm(root, { recursive: true, force: true });
  };
  try {
    await (await start("primary")).release();
    await mkdir(dirs.standby);
    await copyWithOwners(join(dirs.primary, "data"), join(dirs.standby, "data"));
    const primary = await start("primary");
    const standby = await start("standby", { primary_conninfo: connectionInfo(primary) });
    return replicationOf(primary, standby, removeAll);
  } catch (error) {
    await removeAll();
    throw error;
  }
}

function replicationOf(
  primary: EmbeddedServer,
  standby: EmbeddedServer,
  removeAll: () => Promise<void>,
): Replication {
  const admin = postgres(primary.url, { max: 1, onnotice: () => undefined });
  const reader = postgres(standby.url, { max: 1 });
  const on = (server: EmbeddedServer) => (database: string) =>
    Object.assign(new URL(server.url), { pathname: `/${database}` }).href;
  return {
    primaryUrl: on(primary),
    standbyUrl: on(standby),
    createDatabase: async (name) => {
      await admin.unsafe(`create database ${name} strategy file_copy`);
    },
    catchUp: async () => {
      // Its commit writes out what came before: commits that wait for no disk, open transactions.
      await admin`select pg_logical_emit_message(true, 'tidemark', '')`;
      const [row] = await admin<{ lsn: string }[]>`select pg_current_wal_flush_lsn() as lsn`;
      const lsn = row?.lsn ?? "";
      await eventually(`the standby replays ${lsn}`, async () => {
        const [now] = await reader<{ there: boolean }[]>`
          select pg_last_wal_replay_lsn() >= ${lsn}::pg_lsn as there`;
        return now?.there === true;
      });
    },
    failOver: async () => {
      const [pid = ""] = (await readFile(join(primary.dataDir, "postmaster.pid"), "utf8")).split(
        "\n",
      );
      process.kill(Number(pid), "SIGQUIT");
      await reader`select pg_promote()`;
    },
    stop: async () => {
      await Promise.all([admin.end({ timeout: 2 }), reader.end({ timeout: 2 })]);
      await standby.release();
      await primary.release();
      await removeAll();
    },
  };
}

function connectionInfo({ url, port }: EmbeddedServer): string {
  const { username, password, hostname } = new URL(url);
  return `host=${hostname} port=${port} user=${username} password=${password}`;
}

/** PostgreSQL refuses data that is not its user's: run by root, the copy is given to that user. */
async function copyWithOwners(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true });
  await writeFile(join(to, "standby.signal"), "");
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = await lstat(from);
  const names = await readdir(to, { recursive: true });
  await Promise.all([".", ...names].map((name) => chown(join(to, name), uid, gid)));
}
