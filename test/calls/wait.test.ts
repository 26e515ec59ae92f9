import { describe, expect, test } from "vitest";
import { DatabaseMigrator, type Progress } from "../../src/db/migrate/index.ts";
import { startTidemark, tidemark } from "../helpers/cli.ts";
import { createDatabase, onServer, urlOfDatabase, useDatabase } from "../helpers/database.ts";
import { THREE, useHistory } from "../helpers/history.ts";
import { tcpProxy } from "../helpers/network.ts";

const database = useDatabase();
const folder = useHistory(THREE);

const migrator = (url = database.url) => new DatabaseMigrator({ url, dir: folder.dir });
const wait = (seconds: number, url = database.url) =>
  ["wait", "--url", url, "--dir", folder.dir, "--timeout", String(seconds)] as const;
const ledger = () => database.sql`select to_regclass('tidemark.runner') as ledger`;

describe("a process that waits for the schema", () => {
  test("goes on when another has migrated, with others beside it", async () => {
    const waiters = Array.from({ length: 8 }, () => startTidemark(wait(30), { cwd: folder.dir }));
    const noted = Promise.all(
      waiters.map(({ stderrMatches }) =>
        stderrMatches(/waiting for 3 pending migrations: no runner is working/),
      ),
    );
    await noted;
    expect(await ledger()).toEqual([{ ledger: null }]);
    await migrator().migrate();
    for (const { end } of waiters) {
      const { code, stdout } = await end;
      expect(stdout).toMatch(/^The database is at 0002_first_note( after .*)?\.\n$/);
      expect(code).toBe(0);
    }
  });

  test("gives up after its bound with what is missing, and has written nothing", async () => {
    const { code, stderr } = await tidemark([...wait(0.3)], { cwd: folder.dir });
    expect(stderr.split("\n").slice(-3).join("\n")).toBe(
      `error (lock_timeout) 3 of 3 migrations are still pending: 0000_create_notes, 0001_add_author, 0002_first_note. No runner is working on it.
Nothing was run. Run \`tidemark migrate\`, or wait longer with --timeout.
`,
    );
    expect(code).toBe(5);
    expect(await ledger()).toEqual([{ ledger: null }]);
  });

  test("is told of a failure in the way when it gives up", async () => {
    await folder.write("0001_add_author", "select nothing from nowhere");
    await migrator()
      .migrate()
      .catch(() => undefined);
    const error = await migrator()
      .waitUntilCurrent({ timeoutMs: 200 })
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "lock_timeout",
      notRun: ["0001_add_author", "0002_first_note"],
      fact: expect.stringContaining("0001_add_author has failed: "),
    });
  });

  test("is content with a database that is ahead", async () => {
    await migrator().migrate();
    await folder.list(["0000_create_notes", "0001_add_author"]);
    expect(await migrator().waitUntilCurrent()).toMatchObject({
      outcome: "newer",
      version: "0002_first_note",
    });
  });

  test("is content where nothing is pending, though the head is another", async () => {
    await migrator().migrate();
    await folder.list(["0000_create_notes", "0002_first_note", "0001_add_author"]);
    expect((await migrator().migrate()).outcome).toBe("current");
    expect(await migrator().waitUntilCurrent()).toMatchObject({ outcome: "current" });
    await folder.list([]);
    const empty = await createDatabase();
    expect(await migrator(empty.url).waitUntilCurrent()).toMatchObject({ outcome: "current" });
    await empty.drop();
  });

  test("waits as long as it was told, and says what no run would apply", async () => {
    const start = Date.now();
    await expect(migrator().waitUntilCurrent({ timeoutMs: 1_200 })).rejects.toMatchObject({
      code: "lock_timeout",
    });
    expect(Date.now() - start).toBeGreaterThanOrEqual(1_200);
    await migrator().migrate();
    await folder.list(["0000_create_notes", "0000_late", "0001_add_author", "0002_first_note"]);
    await folder.write("0000_late", "select 1");
    await expect(migrator().waitUntilCurrent({ timeoutMs: 100 })).rejects.toMatchObject({
      code: "out_of_order",
    });
    await expect(migrator().waitUntilCurrent({ timeoutMs: Number.NaN })).rejects.toMatchObject({
      code: "config",
    });
  });

  test("ends at once where no run can make the database fit", async () => {
    await migrator().migrate();
    await folder.write("0001_add_author", "select 1");
    await expect(migrator().waitUntilCurrent()).rejects.toMatchObject({
      code: "checksum_mismatch",
    });
    await folder.list(["0000_create_notes", "0002_first_note"]);
    await expect(migrator().waitUntilCurrent()).rejects.toMatchObject({ code: "missing_file" });
  });

  test("needs no right to write, and no right to create", async () => {
    await migrator().migrate();
    const role = `reader_${database.name}`;
    await onServer((admin) => admin.ask(`create role ${role} login password 'pw'`));
    try {
      await database.sql.unsafe(
        `grant usage on schema tidemark to ${role}; grant select on all tables in schema tidemark to ${role}`,
      );
      const url = urlOfDatabase(database.name, { user: role, password: "pw" });
      expect(await migrator(url).waitUntilCurrent()).toMatchObject({ outcome: "current" });
    } finally {
      await database.sql.unsafe(`drop owned by ${role}`);
      await onServer((admin) => admin.ask(`drop role ${role}`));
    }
  });

  test("waits for a server that is not there yet, and over a lost connection", async () => {
    const proxy = await tcpProxy(database.url);
    try {
      proxy.refuse();
      const seen: Progress["kind"][] = [];
      const waiting = migrator(proxy.url).waitUntilCurrent({
        timeoutMs: 20_000,
        onProgress: ({ kind }) => seen.push(kind),
      });
      await expect.poll(() => seen.includes("server-unavailable"), { timeout: 10_000 }).toBe(true);
      await proxy.accept();
      await expect.poll(() => seen.includes("behind"), { timeout: 10_000 }).toBe(true);
      proxy.reset();
      await migrator().migrate();
      expect(await waiting).toMatchObject({ outcome: "current" });
      expect(seen).toContain("reconnecting");
    } finally {
      await proxy.close();
    }
  });
});
