import postgres from "postgres";
import { expect, test } from "vitest";
import { DatabaseMigrator, type Hook, type MigratorOptions } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({ "0000_notes": "create table notes (body text);" });

const migrator = (options: Partial<MigratorOptions> = {}) =>
  new DatabaseMigrator({ url: database.url, dir: folder.dir, ...options });

/** Adds a note, over a connection of its own. */
const seed =
  (body: string): Hook =>
  async ({ url }) => {
    const sql = postgres(url, { max: 1, onnotice: () => undefined });
    await sql`insert into notes values (${body})`;
    await sql.end();
  };
const notes = async () => (await database.sql`select body from notes`).map(({ body }) => body);

test("hooks are told what is about to be applied, and what was, at each run", async () => {
  const calls: unknown[] = [];
  const withHooks = () =>
    migrator({
      beforeMigrate: ({ tags }) => void calls.push(["before", ...tags]),
      afterMigrate: ({ tags }) => void calls.push(["after", ...tags]),
    }).migrate();
  expect(await withHooks()).toMatchObject({ outcome: "applied" });
  expect(await withHooks()).toMatchObject({ outcome: "current", version: "0000_notes" });
  expect(calls).toEqual([["before", "0000_notes"], ["after", "0000_notes"], ["before"], ["after"]]);
});

test("of many runs at once, one at a time is in a hook", async () => {
  let inside = 0;
  let most = 0;
  const afterMigrate: Hook = async (context) => {
    inside += 1;
    most = Math.max(most, inside);
    await seed("seeded")(context);
    inside -= 1;
  };
  await Promise.all([1, 2, 3, 4, 5].map(() => migrator({ afterMigrate }).migrate()));
  expect(most).toBe(1);
  expect(await notes()).toHaveLength(5);
});

test("a failing hook fails the run, with its error; the next run calls it again", async () => {
  const failure = new Error("no seeds today");
  const failing: Hook = () => {
    throw failure;
  };
  await expect(migrator({ beforeMigrate: failing }).migrate()).rejects.toMatchObject({
    ...{ code: "migration_failed", fact: "beforeMigrate failed: no seeds today" },
    ...{ outcome: "nothing-run", cause: failure },
  });
  await expect(migrator({ afterMigrate: failing }).migrate()).rejects.toMatchObject({
    ...{ code: "migration_failed", applied: ["0000_notes"] },
    message: expect.stringContaining("afterMigrate failed: no seeds today"),
  });
  expect((await migrator().status()).pending).toBe(0);
  await migrator({ afterMigrate: seed("late") }).migrate();
  expect(await notes()).toEqual(["late"]);
});

test("a hook that takes longer than a lease keeps it", async () => {
  const entered = deferred();
  const leave = deferred();
  const slow = migrator({
    afterMigrate: async () => {
      entered.resolve();
      await leave.promise;
    },
  }).migrate();
  await entered.promise;
  const expires = async () => {
    const [row] = await database.sql`
      select extract(epoch from expires_at)::float as expires from tidemark.runner`;
    return Number(row?.expires);
  };
  const first = await expires();
  await expect.poll(expires, { timeout: 10_000 }).toBeGreaterThan(first);
  const waiting: string[] = [];
  const other = migrator({ afterMigrate: seed("second") }).migrate({
    onProgress: ({ kind }) => void waiting.push(kind),
  });
  await expect.poll(() => waiting, { timeout: 10_000 }).toContain("waiting");
  leave.resolve();
  await slow;
  expect(await other).toMatchObject({ outcome: "current" });
  expect(await notes()).toEqual(["second"]);
});

test("a run that is told to stop tells its hook, and says that it was canceled", async () => {
  const stop = new AbortController();
  const run = migrator({
    afterMigrate: ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        stop.abort();
      }),
  }).migrate({ signal: stop.signal });
  await expect(run).rejects.toMatchObject({ code: "canceled", applied: ["0000_notes"] });
});

function deferred() {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve: () => resolve() };
}
