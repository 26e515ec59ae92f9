import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { readCredentials } from "../../src/cli/support/credentials.ts";
import { describeTarget } from "../../src/db/base/address.ts";
import { withReaderPool } from "../../src/db/catalog/connection.ts";
import { environmentUrl } from "../../src/db/connection/pg-environment.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { DatabasePool } from "../../src/db/pool/index.ts";
import { withScratchServer } from "../../src/db/scratch/index.ts";
import { createTestDatabase } from "../../src/db/testing/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { THREE, useHistory } from "../helpers/history.ts";
import { createMigratingRole } from "../helpers/role.ts";

const database = useDatabase();
const folder = useHistory({
  ...THREE,
  "0003_index": "create index concurrently notes_body_idx on notes (body);",
});
/** Where the server's Unix socket is. */
let directory: string;
let closeSocket: () => Promise<void>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "tidemark-socket-"));
  const { hostname, port } = new URL(inject("serverUrl"));
  // The embedded server has no Unix socket: this is one that leads to it.
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    client.pipe(upstream).pipe(client);
    client.on("error", () => upstream.destroy());
    upstream.on("error", () => client.destroy());
  });
  await new Promise<void>((resolve) =>
    server.listen(join(directory, ".s.PGSQL.5432"), () => resolve()),
  );
  closeSocket = () => new Promise((resolve) => server.close(() => resolve()));
});

afterAll(async () => {
  await closeSocket?.();
  await rm(directory, { recursive: true, force: true });
});

function migrate(url: string, signal?: AbortSignal) {
  return new DatabaseMigrator({ url, dir: folder.dir, connectTimeoutMs: 600_000 }).migrate({
    ...(signal && { signal }),
  });
}

/** The test's database, through the Unix socket. */
function socketUrl(): string {
  const { username, password, pathname } = new URL(database.url);
  return `postgres://${username}:${password}@${pathname}?host=${directory}`;
}

const OF_OTHER_TOOLS =
  "schema=public&pgbouncer=true&connection_limit=1&pool_timeout=20&channel_binding=prefer&uselibpqcompat=true";

describe("a URL that other tools take as well", () => {
  test("is taken by all that connect: what the server does not know is left out", async () => {
    const url = `${database.url}?${OF_OTHER_TOOLS}&application_name=shown`;
    expect(await migrate(url)).toMatchObject({ outcome: "applied", version: "0003_index" });
    expect(await whatConnects(url)).toEqual(["shown", "shown"]);
  });

  test("counts as a pooler's with pgbouncer=true", async () => {
    const warnings: unknown[] = [];
    await new DatabaseMigrator({
      url: `${database.url}?pgbouncer=true`,
      dir: folder.dir,
    }).migrate({
      onProgress: (progress) => progress.kind === "warning" && warnings.push(progress.warning),
    });
    expect(warnings).toMatchObject([{ kind: "pooler" }]);
  });

  test("is taken with a warning where it has a parameter that nobody knows", async () => {
    const { warnings } = await migrate(
      `${database.url}?currentSchema=a&schema=b&search_path=public`,
    );
    expect(warnings).toMatchObject([
      { kind: "url-parameter", message: expect.stringMatching(/parameter currentSchema,/) },
    ]);
  });

  test("leads to a Unix socket where its host is a directory", async () => {
    const url = `${socketUrl()}&application_name=shown&sslmode=require`;
    expect(await migrate(url)).toMatchObject({ outcome: "applied", version: "0003_index" });
    expect(await whatConnects(url)).toEqual(["shown", "shown"]);
  });

  test("leads there too as dbCredentials with a directory, and as PGHOST", async () => {
    const { username: user, password, pathname } = new URL(database.url);
    const parts = { host: directory, user, password, database: pathname.slice(1) };
    const credentials = readCredentials({ dialect: "postgresql", dbCredentials: parts });
    if (credentials.kind !== "url") throw new Error(credentials.kind);
    expect(await migrate(credentials.url)).toMatchObject({ version: "0003_index" });

    const env = { PGHOST: directory, PGUSER: user, PGDATABASE: parts.database };
    vi.stubEnv("PGPASSWORD", password);
    try {
      const url = environmentUrl(env)?.url ?? "";
      expect(await migrate(url)).toMatchObject({ outcome: "current" });
      expect(describeTarget(url)).toContain(`socket ${directory}/.s.PGSQL.5432`);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test("cancels through the Unix socket too", { timeout: 20_000 }, async () => {
    await folder.write("0000_create_notes", "select pg_sleep(600)");
    const controller = new AbortController();
    const run = migrate(socketUrl(), controller.signal).catch((error: unknown) => error);
    const isSleeping = async () => {
      const [row] = await database.sql`select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event = 'PgSleep'`;
      return row?.n === 1;
    };
    await expect.poll(isSleeping, { timeout: 10_000 }).toBe(true);
    controller.abort();
    expect(await run).toMatchObject({ code: "canceled", tag: "0000_create_notes" });
  });
});

/** Names that the pool and the reader of catalogs have; scratch and test databases are made and dropped. */
async function whatConnects(url: string): Promise<readonly unknown[]> {
  const ask = "select current_setting('application_name') as name";
  const pool = new DatabasePool({ url });
  const [own] = await pool.query<{ name: string }>(ask).finally(() => pool.close());
  const [read] = await withReaderPool(url, async (reader) => {
    const client = await reader.connect();
    return (await client.query(ask)).rows;
  });
  await withScratchServer({ url, dir: folder.dir }, async ({ createDatabase: create }) => {
    const scratch = new DatabasePool({ url: (await create()).url });
    await scratch.query("select 1").finally(() => scratch.close());
  });
  const made = await createTestDatabase({ url, dir: folder.dir, seed: "select 1" });
  await made.drop();
  return [own?.name, read?.name];
}

describe("a password", () => {
  test("comes from PGPASSWORD, else from the password file, for all that connect", async () => {
    const role = await createMigratingRole(database, "");
    try {
      const url = new URL(role.url);
      const { password } = url;
      url.password = "";
      await expect(migrate(url.href)).rejects.toMatchObject({ code: "connect" });

      const file = join(directory, "pgpass");
      await writeFile(file, `*:*:*:${role.name}:${password}\n`, { mode: 0o600 });
      vi.stubEnv("PGPASSFILE", file);
      expect(await migrate(url.href)).toMatchObject({ outcome: "applied", warnings: [] });
      const pool = new DatabasePool({ url: url.href });
      await pool.query("select 1").finally(() => pool.close());
      await withScratchServer({ url: url.href, dir: folder.dir }, (server) => server.listRoles());

      await chmod(file, 0o644);
      await expect(migrate(url.href)).rejects.toMatchObject({ code: "connect" });
      vi.stubEnv("PGPASSWORD", password);
      expect(await migrate(url.href)).toMatchObject({ outcome: "current" });
    } finally {
      vi.unstubAllEnvs();
      await role.drop();
    }
  });
});

describe("a server that there cannot be is not waited for", () => {
  const SOON = { timeout: 10_000 };

  test("where nobody knows the host", SOON, async () => {
    // Longer than a name may be: no name service is asked.
    await expect(migrate(`postgres://u:geheim@${"h".repeat(64)}/db`)).rejects.toMatchObject({
      code: "connect",
      message: expect.stringMatching(
        /^Cannot connect to h{64}\/db as u: .*ENOTFOUND.*\nNothing was run\. Check the host/,
      ),
    });
  });

  test("where it speaks no TLS, and the URL asks for it", SOON, async () => {
    await expect(migrate(`${database.url}?sslmode=require`)).rejects.toMatchObject({
      code: "connect",
      message: expect.stringMatching(
        /: the URL requires TLS, which the server does not support\.\nNothing was run\. Turn TLS on/,
      ),
    });
  });
});
