import { describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { startTidemark, tidemark } from "../helpers/cli.ts";
import { useDatabase } from "../helpers/database.ts";
import { THREE, useHistory } from "../helpers/history.ts";
import { readLedgerContent } from "../helpers/ledger.ts";

const database = useDatabase();
const folder = useHistory({ ...THREE, "0002_first_note": "select nothing from nowhere" });

const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });
const tryToMigrate = () =>
  migrator()
    .migrate()
    .catch(() => undefined);
const args = (...more: readonly string[]) => ["events", "--url", database.url, ...more];
const plain = (text: string) =>
  text
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ/g, "<when>")
    .replaceAll(/\d+ ms/g, "<took>")
    .replaceAll(/postgres@\S+/g, "<whom>");

describe("the log", () => {
  test("is printed as lines, oldest first", async () => {
    await tryToMigrate();
    await folder.write("0002_first_note", THREE["0002_first_note"]);
    await migrator().migrate();
    const { code, stdout } = await tidemark(args(), { cwd: folder.dir });
    expect(plain(stdout)).toBe(`<when>  started   0000_create_notes  <whom>
<when>  done      0000_create_notes  <took>  <whom>
<when>  started   0001_add_author  <whom>
<when>  done      0001_add_author  <took>  <whom>
<when>  started   0002_first_note  <whom>
<when>  failed    0002_first_note  <took>  <whom>  42P01: relation "nowhere" does not exist
<when>  started   0002_first_note  attempt 2  <whom>
<when>  done      0002_first_note  attempt 2  <took>  <whom>
`);
    expect(code).toBe(0);
  });

  test("is one JSON object, each event as the ledger has it", async () => {
    await tryToMigrate();
    const { stdout } = await tidemark(args("--json"), { cwd: folder.dir });
    const { events } = await readLedgerContent(database.url);
    expect(JSON.parse(stdout)).toEqual({
      events: events.map(({ at, ...event }) => ({ ...event, at: at.toISOString() })),
    });
  });

  test("is shown of one migration alone", async () => {
    await tryToMigrate();
    const { stdout } = await tidemark(args("--tag", "0001_add_author"), { cwd: folder.dir });
    expect(stdout.match(/00\d\d_\w+/g)).toEqual(["0001_add_author", "0001_add_author"]);
  });

  test("of a migration that has none says so; one that nobody knows is a mistake", async () => {
    const none = await tidemark(args("--dir", ".", "--tag", "0001_add_author"), {
      cwd: folder.dir,
    });
    expect(none).toEqual({
      code: 0,
      stdout: "",
      stderr: "No events for 0001_add_author.\n",
    });
    const unknown = {
      code: 2,
      stdout: "",
      stderr:
        "error (usage) Unknown migration 0009_none: neither the ledger nor the folder . has it.\n" +
        "`tidemark status` shows the tags.\n",
    };
    expect(await tidemark(args("--dir", ".", "--tag", "0009_none"), { cwd: folder.dir })).toEqual(
      unknown,
    );
    const followed = args("--dir", ".", "--tag", "0009_none", "--follow");
    expect(await tidemark(followed, { cwd: folder.dir })).toEqual(unknown);
    // The ledger knows it, though the folder is gone.
    await tryToMigrate();
    await folder.list([]);
    const { stdout } = await tidemark(args("--dir", ".", "--tag", "0001_add_author"), {
      cwd: folder.dir,
    });
    expect(stdout).toContain("0001_add_author");
  });

  test("of a database without a ledger is empty, and nothing is created", async () => {
    const { code, stdout, stderr } = await tidemark(args(), { cwd: folder.dir });
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: "",
      stderr: "No events.\n",
    });
    expect(await migrator().events()).toEqual([]);
    expect(await database.sql`select to_regclass('tidemark.runner') as ledger`).toEqual([
      { ledger: null },
    ]);
  });

  test("of a ledger that only a newer Tidemark can read is not read", async () => {
    await tryToMigrate();
    await database.sql`update tidemark.runner set min_reader = 99`;
    await expect(migrator().events()).rejects.toMatchObject({ code: "ledger_newer" });
    await expect(migrator().events({ after: Number.NaN })).rejects.toMatchObject({
      code: "config",
    });
    await database.sql`update tidemark.runner set min_reader = 1`;
  });

  test("is read on from an event that is known", async () => {
    await tryToMigrate();
    const all = await migrator().events();
    expect(await migrator().events({ after: all[2]?.id ?? 0 })).toEqual(all.slice(3));
  });

  test("is read from its end, oldest first, without the rest", async () => {
    await tryToMigrate();
    const all = await migrator().events();
    expect(await migrator().events({ newest: 2 })).toEqual(all.slice(-2));
    expect(await migrator().events({ newest: 99 })).toEqual(all);
    expect(await migrator().events({ newest: 2, after: all.at(-2)?.id ?? 0 })).toEqual(
      all.slice(-1),
    );
    expect(await migrator().events({ newest: 1, tag: "0000_create_notes" })).toEqual([all[1]]);
    for (const newest of [0, 1.5, Number.NaN]) {
      await expect(migrator().events({ newest })).rejects.toMatchObject({ code: "config" });
    }
  });
});

describe("following the log", () => {
  test("starts at the newest events, and shows all that is added", async () => {
    await tryToMigrate();
    const controller = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      const { signal } = controller;
      for await (const event of migrator().followEvents({ newest: 1, everyMs: 20, signal })) {
        seen.push(event.type);
      }
    })().catch((error: unknown) => error);
    await expect.poll(() => seen).toEqual(["migration.failed"]);
    await folder.write("0002_first_note", THREE["0002_first_note"]);
    await migrator().migrate();
    await expect
      .poll(() => seen)
      .toEqual(["migration.failed", "migration.started", "migration.done"]);
    controller.abort();
    expect(await following).toMatchObject({ code: "canceled" });
  });

  test("shows what is added, from before there was a ledger, until Ctrl-C", async () => {
    const lines: string[] = [];
    const follower = startTidemark(args("--follow", "--json"), { cwd: folder.dir });
    follower.onStdout((text) => lines.push(...text.split("\n").filter((line) => line !== "")));
    await tryToMigrate();
    const { events } = await readLedgerContent(database.url);
    await expect.poll(() => lines.length, { timeout: 10_000 }).toBe(events.length);
    follower.child.kill("SIGINT");
    expect((await follower.end).code).toBe(130);
    expect(lines.map((line) => JSON.parse(line).id)).toEqual(events.map(({ id }) => id));
  });

  test("ends when nobody reads it any more", async () => {
    await tryToMigrate();
    const follower = startTidemark(args("--follow"), { cwd: folder.dir });
    const first = new Promise<void>((resolve) => follower.onStdout(() => resolve()));
    await first;
    follower.child.stdout?.destroy();
    await folder.write("0002_first_note", THREE["0002_first_note"]);
    await migrator().migrate();
    expect((await follower.end).code).toBe(0);
  });

  test("goes on after its connection was lost, and shows nothing twice", async () => {
    await tryToMigrate();
    const controller = new AbortController();
    const seen: number[] = [];
    const following = (async () => {
      for await (const { id } of migrator().followEvents({
        everyMs: 20,
        signal: controller.signal,
      })) {
        seen.push(id);
      }
    })().catch((error: unknown) => error);
    await expect.poll(() => seen.length).toBe(6);
    await database.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'tidemark'`;
    await folder.write("0002_first_note", THREE["0002_first_note"]);
    await migrator().migrate();
    await expect.poll(() => seen.length).toBe(8);
    controller.abort();
    expect(await following).toMatchObject({ code: "canceled" });
    expect(seen).toEqual((await migrator().events()).map(({ id }) => id));
  });
});
