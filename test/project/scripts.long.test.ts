import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import type { Sql } from "postgres";
import { afterEach, beforeEach, expect, test } from "vitest";
import { acquireEmbeddedServer } from "../../src/db/embedded/index.ts";
import { createDatabase } from "../helpers/database.ts";
import { queryOne } from "../helpers/embedded-folder.ts";
import { fakeDocker, PULL_FAILS } from "../helpers/fake-docker.ts";

/** npm's own program: found once, whatever PATH a test gives. */
const NPM =
  (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "npm"))
    .find((file) => existsSync(file)) ?? "npm";

/** A copy of the project, so that nobody's development server is touched. */
let project: string;

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), "tidemark-scripts-"));
  for (const name of [
    "src",
    "scripts",
    "drizzle",
    "package.json",
    "tsconfig.json",
    "drizzle.config.ts",
  ]) {
    await cp(name, join(project, name), { recursive: true });
  }
  await symlink(resolve("node_modules"), join(project, "node_modules"));
});

afterEach(async () => {
  await npmRun("db:stop");
  await rm(project, { recursive: true, force: true });
});

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function npmRun(
  script: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(NPM, ["run", "--silent", script, "--", ...args], {
    cwd: project,
    env: { PATH, HOME, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  return new Promise((end, reject) => {
    child.on("error", reject);
    child.on("close", (code) => end({ code, stdout, stderr }));
  });
}

test("db:migrate on nothing at all starts a server, and migrates; again, nothing is pending", async () => {
  const first = await npmRun("db:migrate");
  expect(first.code).toBe(0);
  expect(first.stderr).toContain("starting PostgreSQL 18");
  expect(first.stderr).toContain("✓ 0003_add_idempotency_keys_and_snapshots");
  expect(first.stdout).toMatch(
    /^Applied 4 migrations in .*\. The database is at 0003_add_idempotency_keys_and_snapshots\.\n$/,
  );
  const second = await npmRun("db:migrate");
  expect(second.code).toBe(0);
  expect(second.stdout).toBe(
    "Nothing pending. The database is at 0003_add_idempotency_keys_and_snapshots.\n",
  );
});

test("with DATABASE_URL the same commands use that server and start none", async () => {
  const database = await createDatabase();
  const env = { DATABASE_URL: database.url };
  expect(await npmRun("db:migrate", [], env)).toMatchObject({ code: 0 });
  expect((await npmRun("db:status", [], env)).stdout).toContain("0 pending");
  expect((await npmRun("db:start", [], env)).stderr).toContain("DATABASE_URL is set");
  expect(await npmRun("db:reset", ["--yes"], env)).toMatchObject({ code: 2 });
  expect(await readdir(project)).not.toContain(".tidemark");
  expect(await database.sql`select count(*)::int as n from tidemark.schema_migrations`).toEqual([
    { n: 4 },
  ]);
  await database.drop();
});

test("db:start keeps the server until db:stop; db:reset asks before it deletes", async () => {
  const start = await npmRun("db:start");
  const url = /^postgres:\/\/\S+$/m.exec(start.stdout)?.[0];
  expect(url).toBeDefined();
  await npmRun("db:migrate");
  expect((await npmRun("db:start")).stdout).toContain("is already running");
  // A PATH with node and a shell alone: without psql, the URL and how to get one.
  const bin = join(project, "bin");
  await mkdir(bin);
  await symlink(process.execPath, join(bin, "node"));
  await symlink("/bin/sh", join(bin, "sh"));
  const psql = await npmRun("db:psql", [], { PATH: bin });
  expect(psql.code).toBe(1);
  expect(psql.stdout.trim()).toBe(url);
  expect(psql.stderr).toContain("psql is not on the PATH");
  expect((await npmRun("db:stop")).stdout).toContain("Stopped");
  expect((await npmRun("db:stop")).stdout).toContain("not running");
  const asked = await npmRun("db:reset");
  expect(asked).toMatchObject({ code: 1, stderr: expect.stringContaining("Nothing was deleted") });
  expect((await npmRun("db:status")).stdout).toContain("0 pending");
  const unnamed = await npmRun("db:reset", ["--yes"]);
  expect(unnamed.code).toBe(1);
  expect(unnamed.stderr).toContain("--database tidemark");
  expect((await npmRun("db:reset", ["--yes", "--database", "shop"])).code).toBe(1);
  expect((await npmRun("db:reset", ["--yes", "--database", "tidemark"])).code).toBe(0);
  expect((await npmRun("db:status")).stdout).toContain("4 pending");
});

test("db:test:start, where Docker is of no use, keeps an embedded server for tests, apart from the development data, until db:test:stop", async () => {
  const { path } = await fakeDocker(join(project, "bin"), PULL_FAILS);
  const env = { PATH: path, TEST_PG_IMAGE: "postgres:0-nothing" };
  const first = await npmRun("db:test:start", [], env);
  expect(first.stderr).toContain(
    "Using the embedded PostgreSQL instead of Docker: the image postgres:0-nothing cannot be pulled (manifest unknown).",
  );
  expect(first.stderr).toMatch(/PostgreSQL 18\.\d+ \(embedded\) started on port \d+\./);
  expect(first.stdout).toMatch(/^TEST_DATABASE_URL=postgres:\/\/\S+\n$/);
  const url = first.stdout.trim().slice("TEST_DATABASE_URL=".length);
  // A shell's `export $(… | tail -1)` takes the line as it is.
  expect(url).not.toMatch(/[\s"'$`\\*?[]/);
  const settings = `select current_setting('fsync') as fsync, current_setting('max_connections') as n`;
  expect(await queryOne(url, settings)).toEqual({ fsync: "off", n: "300" });
  const second = await npmRun("db:test:start", [], { TEST_PG_PROVIDER: "embedded" });
  expect(second.stdout).toBe(first.stdout);
  expect(second.stderr).not.toContain("Docker");
  expect(second.stderr).toContain("is already running");
  expect(await readdir(join(project, ".tidemark"))).toEqual(["test"]);
  expect((await npmRun("db:test:stop", [], env)).stdout).toBe(
    "Stopped the embedded server, and deleted what was in it.\n",
  );
  expect(await readdir(join(project, ".tidemark/test"))).not.toContain("data");
  expect((await npmRun("db:test:stop", [], env)).stdout).toBe("No test server is running.\n");
});

test("db:generate writes what drizzle-kit makes, and the sum file", async () => {
  const before = await readFile(join(project, "drizzle/tidemark.sum"), "utf8");
  expect(await npmRun("db:generate")).toMatchObject({ code: 0 });
  expect(await readFile(join(project, "drizzle/tidemark.sum"), "utf8")).toBe(before);
  const { code, stdout, stderr } = await npmRun("db:generate", ["fill_orgs", "--custom"]);
  expect(code).toBe(0);
  expect(stderr).toContain(
    "write your SQL into the new file, then run `tidemark down-file 0004_fill_orgs`",
  );
  expect(stdout).toContain("5 migrations");
  expect(await readdir(join(project, "drizzle"))).toContain("0004_fill_orgs.sql");
  expect(await readFile(join(project, "drizzle/tidemark.sum"), "utf8")).toContain(
    "0004_fill_orgs.sql sha256:",
  );
});

test("db:generate refuses while a file is not as tidemark.sum has it", async () => {
  const file = join(project, "drizzle/0000_create_eventstore.sql");
  const text = await readFile(file, "utf8");
  const sum = await readFile(join(project, "drizzle/tidemark.sum"), "utf8");
  await writeFile(file, `${text}-- edited\n`);
  const { code, stderr } = await npmRun("db:generate", ["more", "--custom"]);
  expect(stderr).toContain("drizzle/tidemark.sum does not match the migrations in its folder");
  expect(code).toBe(2);
  expect((await readdir(join(project, "drizzle"))).join()).not.toContain("more");
  expect(await readFile(join(project, "drizzle/tidemark.sum"), "utf8")).toBe(sum);
});

// users:start
test("db:seed writes a data set once, where nothing is pending, and not in production", async () => {
  const database = await createDatabase();
  try {
    const env = { DATABASE_URL: database.url };
    const early = await npmRun("db:seed", [], env);
    expect(early.stderr).toContain("migrations are pending: nothing was written");
    expect(early.code).toBe(3);
    expect((await npmRun("db:migrate", [], env)).code).toBe(0);
    expect((await npmRun("db:seed", [], { ...env, NODE_ENV: "production" })).code).toBe(2);
    const first = await npmRun("db:seed", [], env);
    expect(first.stdout).toBe("Wrote 2 organisations and 7 users to the instance demo.\n");
    const again = await npmRun("db:seed", [], env);
    expect(again.stdout).toBe("The instance demo already has this data: nothing was written.\n");
    expect(await countRows(database.sql)).toEqual({
      // Two of each organisation, one of each user, two more of each of the three who are verified.
      events: 17,
      orgs: 2,
      users: 7,
      humans: 5,
      machines: 2,
      notifications: 5,
    });
  } finally {
    await database.drop();
  }
});

async function countRows(sql: Sql) {
  const [row] = await sql`
    select
      (select count(*)::int from eventstore.events where instance_id = 'demo') as events,
      (select count(*)::int from projections.orgs) as orgs,
      (select count(*)::int from projections.users) as users,
      (select count(*)::int from projections.user_humans) as humans,
      (select count(*)::int from projections.user_machines) as machines,
      (select count(*)::int from projections.user_notifications) as notifications`;
  return row;
}
// users:end

test("db:events, db:wait and db:repair are the commands of these names", async () => {
  const database = await createDatabase();
  try {
    const env = { DATABASE_URL: database.url };
    expect((await npmRun("db:wait", ["--timeout", "0"], env)).code).toBe(5);
    expect((await npmRun("db:migrate", [], env)).code).toBe(0);
    expect((await npmRun("db:wait", [], env)).stdout).toContain("The database is at ");
    expect((await npmRun("db:events", [], env)).stdout).toContain("0000_create_eventstore");
    expect((await npmRun("db:repair", [], env)).stdout).toBe("Nothing to repair.\n");
  } finally {
    await database.drop();
  }
});

/** `npm start` in a terminal of its own: a signal to the group is what Ctrl-C is. */
function npmStart() {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(NPM, ["start"], {
    cwd: project,
    env: { PATH, HOME, PORT: "0", HOST: "127.0.0.1" },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  let log = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    log += chunk;
  });
  const end = new Promise<number | null>((resolve) => child.on("close", resolve));
  return {
    said: (text: string) => expect.poll(() => log, { timeout: 40_000 }).toContain(text),
    url: () => `http://127.0.0.1:${/"port":(\d+)/.exec(log)?.[1]}`,
    /** Milliseconds until all of it has ended. */
    stop: async (signal: NodeJS.Signals, to: "npm" | "group") => {
      const at = Date.now();
      process.kill(to === "npm" ? (child.pid ?? 0) : -(child.pid ?? 0), signal);
      await end;
      return Date.now() - at;
    },
  };
}

async function expectNothingToRun(url: string) {
  await expect(fetch(`${url}/readyz`)).rejects.toThrow();
  const stop = await npmRun("db:stop");
  expect(stop.stdout + stop.stderr).toMatch(/not running|No /i);
}

test("npm start serves, and on SIGTERM ends with all that it started, the embedded server too", async () => {
  const app = npmStart();
  await app.said('"msg":"ready"');
  expect((await fetch(`${app.url()}/readyz`)).status).toBe(200);
  // By then the owner has migrated, and only the application's own role is connected.
  const server = await acquireEmbeddedServer({ dir: join(project, ".tidemark") });
  expect(
    await queryOne(
      server.url,
      `select string_agg(distinct usename, ' ') as roles from pg_stat_activity
       where datname = 'tidemark' and pid <> pg_backend_pid()`,
    ),
  ).toEqual({ roles: "tidemark_app" });
  await server.release();
  expect(await app.stop("SIGTERM", "npm")).toBeLessThan(5_000);
  await app.said('"msg":"stopped"');
  await expectNothingToRun(app.url());
});

test("Ctrl-C in the middle of a migration ends all of it too, and the next start goes on", async () => {
  const file = join(project, "drizzle/0002_protect_events.sql");
  const sql = await readFile(file, "utf8");
  await rm(join(project, "drizzle/tidemark.sum"));
  await writeFile(file, `select pg_sleep(60);\n${sql}`);
  const app = npmStart();
  await app.said('"tag":"0002_protect_events"');
  expect(await app.stop("SIGINT", "group")).toBeLessThan(5_000);
  await expectNothingToRun(app.url());
  await writeFile(file, sql);
  const again = npmStart();
  await again.said('"msg":"ready"');
  await again.stop("SIGINT", "group");
});
