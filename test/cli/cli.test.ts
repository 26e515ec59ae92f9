import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tidemark } from "../helpers/cli.ts";
import { useDatabase } from "../helpers/database.ts";
import { THREE, useHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { freePort } from "../helpers/network.ts";

const database = useDatabase();
const folder = useHistory(THREE);

/** Runs in the history's folder, which is the migrations folder too. */
const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  tidemark(args, { cwd: folder.dir, env: { DATABASE_URL: database.url, ...env } });
const inFolder = (...args: readonly string[]) => run([...args, "--dir", "."]);

describe("tidemark migrate", () => {
  test("shows what it does on stderr, and the outcome on stdout, without colour in a pipe", async () => {
    const { code, stdout, stderr } = await inFolder("migrate");
    expect(code).toBe(0);
    expect(stderr.replace(/\d[\d.]* m?s/g, "n ms")).toMatchInlineSnapshot(`
      "created the ledger in schema tidemark
      3 pending
      ✓ 0000_create_notes  n ms
      ✓ 0001_add_author  n ms
      ✓ 0002_first_note  n ms
      "
    `);
    expect(stdout.replace(/\d[\d.]* m?s/g, "n ms")).toBe(
      "Applied 3 migrations in n ms. The database is at 0002_first_note.\n",
    );
  });

  test("--to says what is still pending, also where there is nothing to apply", async () => {
    const first = await inFolder("migrate", "--to", "0000_create_notes");
    const left = "Still pending: 0001_add_author, 0002_first_note.\n";
    expect(first.stdout.replace(/\d[\d.]* m?s/g, "n ms")).toBe(
      `Applied 1 migration in n ms. The database is at 0000_create_notes.\n${left}`,
    );
    expect((await inFolder("migrate", "--to", "0000_create_notes")).stdout).toBe(
      `Nothing to apply up to 0000_create_notes. The database is at 0000_create_notes.\n${left}`,
    );
    const { stdout } = await inFolder("--json", "migrate", "--to", "0001_add_author");
    expect(JSON.parse(stdout)).toMatchObject({
      applied: [{ tag: "0001_add_author" }],
      stillPending: ["0002_first_note"],
    });
  });

  test("says the server's notice once, however often that sends it", async () => {
    // The server says it at each parse of the body, and at each try.
    const name = "n".repeat(70);
    await folder.write(
      "0001_add_author",
      `do $$ begin alter table notes add constraint ${name} check (id > 0); end $$;
      do $$ begin raise notice 'hello'; raise notice 'hello'; raise warning 'hello'; end $$;`,
    );
    const { stderr } = await inFolder("migrate");
    const said = stderr.split("\n").filter((line) => /^(notice|warning): /.test(line));
    expect(said).toEqual([
      `notice: identifier "${name}" will be truncated to "${"n".repeat(63)}"`,
      "notice: hello",
      "warning: hello",
    ]);
  });

  test("with nothing pending says so in a line", async () => {
    await inFolder("migrate");
    expect(await inFolder("migrate")).toEqual({
      code: 0,
      stdout: "Nothing pending. The database is at 0002_first_note.\n",
      stderr: "",
    });
  });

  test("--json prints one object on stdout", async () => {
    const { code, stdout } = await inFolder("migrate", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      outcome: "applied",
      version: "0002_first_note",
      applied: [
        { tag: "0000_create_notes" },
        { tag: "0001_add_author" },
        { tag: "0002_first_note" },
      ],
    });
  });

  test("--quiet prints results alone", async () => {
    const { stdout, stderr } = await inFolder("migrate", "--quiet");
    expect(stderr).toBe("");
    expect(stdout.replace(/\d[\d.]* m?s/g, "n ms")).toBe(
      "0000_create_notes  n ms\n0001_add_author  n ms\n0002_first_note  n ms\n" +
        "Applied 3 migrations in n ms. The database is at 0002_first_note.\n",
    );
  });

  test("--dry-run prints the SQL, and runs nothing", async () => {
    const { code, stdout } = await inFolder("migrate", "--dry-run", "--to", "0000_create_notes");
    expect(code).toBe(0);
    expect(stdout).toContain(
      `-- 0000_create_notes (0000_create_notes.sql, 1 statement)\n${THREE["0000_create_notes"]}`,
    );
    expect(stdout).toContain("-- 1 pending. Nothing was run.");
    const { stdout: status } = await inFolder("status", "--json");
    expect(JSON.parse(status)).toMatchObject({ pending: 3, version: null });
  });

  test("that fails prints where and why, exits with 1, and status repeats it", async () => {
    await folder.write("0001_add_author", "alter table nots add column author text;");
    const { code, stderr, stdout } = await inFolder("migrate");
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain('0001_add_author.sql:1:1: relation "nots" does not exist');
    expect(stderr).toContain("Next: correct 0001_add_author.sql");
    const status = await inFolder("status");
    expect(status.code).toBe(0);
    expect(status.stdout).toContain('relation "nots" does not exist');
    expect(status.stdout).toMatch(/0001_add_author\s+FAILED/);
  });

  test("that fails with --json prints the error as an object too", async () => {
    await folder.write("0001_add_author", "select 1 / 0;");
    const { code, stdout } = await inFolder("migrate", "--json");
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      error: {
        code: "migration_failed",
        exitCode: 1,
        tag: "0001_add_author",
        applied: ["0000_create_notes"],
        notRun: ["0002_first_note"],
        details: { sqlState: "22012", statement: 1 },
      },
    });
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("stops at %s, records it, and exits with %i", async (signal, exitCode) => {
    await folder.write("0001_add_author", "select pg_sleep(60);");
    const start = Date.now();
    let isSent = false;
    const { code, stderr } = await tidemark(["migrate", "--dir", "."], {
      cwd: folder.dir,
      env: { DATABASE_URL: database.url },
      onStderr: (text, kill) => {
        // Once: what it prints at its end would be answered with another, when Node.js obeys none any more.
        if (isSent || !text.includes("✓ 0000_create_notes")) return;
        isSent = true;
        kill(signal);
      },
    });
    expect(code).toBe(exitCode);
    expect(stderr).toContain("0001_add_author was canceled");
    expect(Date.now() - start).toBeLessThan(15_000);
    const { rows } = await expectFoldToMatch(database.url);
    expect(rows.map(({ state }) => state)).toEqual(["DONE", "FAILED"]);
    const [runner] = await database.sql`select run_id from tidemark.runner`;
    expect(runner).toEqual({ run_id: null });
  });
});

describe("tidemark status", () => {
  test("--check exits with 3 when something is pending, and with 0 when nothing is", async () => {
    expect(await inFolder("status", "--check")).toMatchObject({ code: 3 });
    await inFolder("migrate");
    expect(await inFolder("status", "--check")).toMatchObject({ code: 0 });
  });

  test("--check exits with the problem's own code", async () => {
    await inFolder("migrate");
    await folder.write("0001_add_author", "-- edited");
    expect(await inFolder("status", "--check")).toMatchObject({ code: 4 });
    expect(await inFolder("status")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("was edited after it was applied"),
    });
  });

  test("warns of a file without a journal entry", async () => {
    await folder.write("0009_stray", "select 1;");
    const { stderr } = await inFolder("status");
    expect(stderr).toBe(
      "warning: 0009_stray.sql has no entry in meta/_journal.json and is not run.\n",
    );
  });

  test("--json has the documented shape", async () => {
    await inFolder("migrate", "--to", "0000_create_notes");
    const { stdout } = await inFolder("status", "--json");
    const report = JSON.parse(stdout) as { migrations: object[] };
    expect(report).toMatchObject({
      version: "0000_create_notes",
      head: expect.stringMatching(/^sha256:/),
      pending: 2,
    });
    expect(Object.keys(report.migrations[0] ?? {})).toEqual([
      "tag",
      "state",
      "flags",
      "at",
      "durationMs",
      "checksum",
      "attempt",
      "by",
      "error",
      "doubt",
    ]);
  });
});

describe("settings", () => {
  test.each([
    ["an unknown option", ["status", "--frobnicate"], "unknown option '--frobnicate'"],
    ["an unknown command", ["frobnicate"], "unknown command 'frobnicate'"],
    ["an argument too many", ["status", "now"], "too many arguments"],
    [
      "a time-out that is no number",
      ["migrate", "--connect-timeout", "soon"],
      "a number of seconds from 0 is expected",
    ],
    [
      "a folder that is not there",
      ["migrate", "--dir", "nowhere"],
      "no migrations folder at nowhere",
    ],
    ["an unknown target", ["migrate", "--dir", ".", "--to", "nope"], "There is no migration nope"],
    [
      "a URL of another database",
      ["status", "--dir", ".", "--url", "mysql://x"],
      "starts with mysql://",
    ],
  ])("%s is refused with exit code 2", async (_name, args, text) => {
    const { code, stderr } = await run(args);
    expect(stderr).toContain(text);
    expect(code).toBe(2);
  });

  test("without a URL nothing is run, and no server is started unless it is asked for", async () => {
    const { code, stderr } = await tidemark(["migrate", "--dir", "."], { cwd: folder.dir });
    expect(code).toBe(2);
    expect(stderr).toContain("Set DATABASE_URL");
  });

  test("no embedded server is made in a folder without migrations", async () => {
    const before = await readdir(folder.dir);
    const { code, stderr } = await tidemark(["status", "--dir", "nowhere", "--embedded"], {
      cwd: folder.dir,
    });
    expect(stderr).toContain("There is no migrations folder at nowhere.");
    expect(stderr).not.toContain("starting PostgreSQL");
    expect(code).toBe(2);
    expect(await readdir(folder.dir)).toEqual(before);
  });

  test("no embedded server is started in production", async () => {
    const { code, stderr } = await tidemark(["migrate", "--dir", ".", "--embedded"], {
      cwd: folder.dir,
      env: { NODE_ENV: "production" },
    });
    expect(code).toBe(2);
    expect(stderr).toContain("NODE_ENV=production");
  });

  test("the URL comes from the option, then MIGRATION_DATABASE_URL, then DATABASE_URL, then .env", async () => {
    const bad = (name: string) => `postgres://127.0.0.1:1/${name}`;
    const targetOf = async (args: readonly string[], env: Readonly<Record<string, string>>) => {
      const { stderr } = await tidemark(
        ["status", "--dir", ".", "--connect-timeout", "0", ...args],
        { cwd: folder.dir, env },
      );
      return /127\.0\.0\.1:1\/(\w+)/.exec(stderr)?.[1];
    };
    await writeFile(join(folder.dir, ".env"), `DATABASE_URL=${bad("dotenv")}\n`);
    const all = { DATABASE_URL: bad("app"), MIGRATION_DATABASE_URL: bad("direct") };
    expect(await targetOf(["--url", bad("option")], all)).toBe("option");
    expect(await targetOf([], all)).toBe("direct");
    expect(await targetOf([], { DATABASE_URL: bad("app") })).toBe("app");
    expect(await targetOf([], {})).toBe("dotenv");
  });

  test.each([
    [
      "drizzle.config.ts",
      `const folder: string = "db/sql";\nexport default { out: folder } satisfies object;`,
    ],
    ["drizzle.config.js", `module.exports = { out: "db/sql" };`],
    ["drizzle.config.json", `{ "out": "./db/sql" }`],
  ])("the folder comes from %s", async (name, text) => {
    await writeFile(join(folder.dir, name), text);
    await mkdir(join(folder.dir, "db/sql/meta"), { recursive: true });
    for (const file of ["meta/_journal.json", ...Object.keys(THREE).map((tag) => `${tag}.sql`)]) {
      await writeFile(join(folder.dir, "db/sql", file), await readFile(join(folder.dir, file)));
      await rm(join(folder.dir, file));
    }
    const { code, stdout, stderr } = await run(["status"]);
    expect(stderr).toBe("");
    expect(stdout).toContain("3 pending");
    expect(code).toBe(0);
  });

  test("an unreachable server is exit code 1, after the time given", async () => {
    const port = await freePort();
    const { code, stderr } = await run([
      "migrate",
      "--dir",
      ".",
      "--connect-timeout",
      "0.3",
      "--url",
      `postgres://127.0.0.1:${port}/x`,
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain(`Cannot connect to 127.0.0.1:${port}/x`);
  });
});

test("tidemark sum writes the file that a run then checks", async () => {
  expect(await inFolder("sum")).toMatchObject({ code: 0 });
  expect(await inFolder("migrate")).toMatchObject({ code: 0 });
  await folder.write("0003_later", "select 1;");
  await folder.list([...Object.keys(THREE), "0003_later"]);
  const stale = await inFolder("migrate");
  expect(stale).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("0003_later.sql is not listed"),
  });
  await inFolder("sum");
  expect(await inFolder("migrate")).toMatchObject({ code: 0 });
});

test("--help names every command and the exit codes", async () => {
  const { code, stdout } = await run(["--help"]);
  expect(code).toBe(0);
  for (const word of ["migrate", "status", "generate", "sum", "Exit codes"])
    expect(stdout).toContain(word);
});

test("tidemark status shows the last ten that are applied and all that are not, and --all every one", async () => {
  await folder.make(
    Object.fromEntries(
      Array.from({ length: 14 }, (_, i) => [`${String(i).padStart(4, "0")}_m`, `select ${i};`]),
    ),
  );
  await inFolder("migrate", "--to", "0011_m");
  const tags = ({ stdout }: { readonly stdout: string }) => stdout.match(/^\d{4}_m/gm);
  const shown = await inFolder("status");
  expect(shown.stdout).toMatch(/^2 earlier migrations applied \(--all shows them\)\.\n/);
  expect(tags(shown)).toHaveLength(12);
  expect(tags(shown)?.[0]).toBe("0002_m");
  expect(tags(await inFolder("status", "--all"))).toHaveLength(14);
  expect(JSON.parse((await inFolder("status", "--json")).stdout).migrations).toHaveLength(14);
  await folder.write("0001_m", "select 'edited';");
  expect(tags(await inFolder("status"))?.slice(0, 2)).toEqual(["0001_m", "0002_m"]);
});
