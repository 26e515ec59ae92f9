import { execFile } from "node:child_process";
import { cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { historyFolder } from "../test/helpers/history.ts";

/** A migration of every peer's: its statements. */
export interface BenchMigration {
  readonly name: string;
  readonly statements: readonly string[];
}

/** Somebody who can bring a database up to date, as a command line. */
export interface Peer {
  readonly name: string;
  /** Writes the migrations as it wants them; returns its folder. */
  readonly write: (migrations: readonly BenchMigration[], below: string) => Promise<string>;
  /** Program and arguments. */
  readonly command: (url: string, folder: string) => readonly [string, ...string[]];
  /** Remembers nothing: it has no no-op. */
  readonly forgets?: boolean;
}

const INSTALLED = resolve(".tidemark/bench/peers");

/** Installs the peers that are no packages of this project below `.tidemark/bench`. */
export async function installPeers(): Promise<void> {
  await mkdir(INSTALLED, { recursive: true });
  await cp("bench/peers", INSTALLED, { recursive: true });
  await promisify(execFile)("npm", ["install", "--no-audit", "--no-fund", "--silent"], {
    cwd: INSTALLED,
    shell: process.platform === "win32",
  });
}

/** The peers, Tidemark first. */
export async function peers(): Promise<readonly Peer[]> {
  return [
    {
      name: "tidemark",
      write: drizzleFolder,
      command: (url, dir) => [node, "dist/cli/main.js", "migrate", "--url", url, "--dir", dir],
    },
    { name: "limit", write: plainFolder, command: script("bench/peers/limit.mjs"), forgets: true },
    { name: "drizzle", write: drizzleFolder, command: script("bench/peers/drizzle.mjs") },
    await dbmate(),
    {
      name: "node-pg-migrate",
      write: named(
        (i, name) => `${FIRST_MS + i}_${name}.sql`,
        (sql) => `-- Up Migration\n${sql}`,
      ),
      command: installed("node-pg-migrate"),
    },
    {
      name: "postgres-migrations",
      // It makes the first itself.
      write: named((i, name) => `${i + 1}_${name}.sql`),
      command: installed("postgres-migrations"),
    },
    { name: "umzug", write: plainFolder, command: installed("umzug") },
    { name: "knex", write: plainFolder, command: installed("knex") },
    { name: "kysely", write: plainFolder, command: installed("kysely") },
  ];
}

const node = process.execPath;
const FIRST_MS = 1_700_000_000_000;
const FIRST_VERSION = 20_230_101_000_000;

const script =
  (path: string): Peer["command"] =>
  (url, folder) => [node, path, url, folder];
const installed = (name: string) => script(join(INSTALLED, `${name}.mjs`));

/** Its Go binary, without the JavaScript that npm puts before it. */
async function dbmate(): Promise<Peer> {
  const packages = await readdir(join(INSTALLED, "node_modules/@dbmate"));
  const [platform = ""] = packages;
  const binary = join(INSTALLED, "node_modules/@dbmate", platform, "bin/dbmate");
  return {
    name: "dbmate",
    write: named(
      (i, name) => `${FIRST_VERSION + i}_${name}.sql`,
      (sql) => `-- migrate:up\n${sql}\n-- migrate:down\n`,
    ),
    command: (url, folder) => [
      binary,
      ...["--url", withoutTls(url), "--migrations-dir", folder, "--no-dump-schema", "migrate"],
    ],
  };
}

/** It wants TLS unless it is told otherwise. */
function withoutTls(url: string): string {
  const whole = new URL(url);
  whole.searchParams.set("sslmode", "disable");
  return whole.href;
}

async function drizzleFolder(migrations: readonly BenchMigration[]): Promise<string> {
  const { dir } = await historyFolder(
    Object.fromEntries(
      migrations.map(({ name, statements }, i) => [
        `${String(i).padStart(4, "0")}_${name}`,
        statements.join("\n--> statement-breakpoint\n"),
      ]),
    ),
  );
  return dir;
}

const plainFolder = named((i, name) => `${String(i).padStart(5, "0")}_${name}.sql`);

function named(
  fileOf: (index: number, name: string) => string,
  textOf: (sql: string) => string = (sql) => sql,
): Peer["write"] {
  return async (migrations, below) => {
    await mkdir(below, { recursive: true });
    for (const [i, { name, statements }] of migrations.entries()) {
      await writeFile(join(below, fileOf(i, name)), textOf(statements.join("\n")));
    }
    return below;
  };
}
