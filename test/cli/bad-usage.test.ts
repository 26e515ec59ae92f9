import { afterEach, expect, test } from "vitest";
import { useProject } from "../helpers/project-fixture.ts";
import { screen } from "../helpers/screen.ts";

/** With a database that could be migrated, did the command get that far. */
const here = useProject();
const { tidemark } = here;

afterEach(async () => {
  const made = await here.database.sql`
    select nspname from pg_namespace where nspname = 'tidemark'
    union all select relname from pg_class where relnamespace = 'public'::regnamespace`;
  expect(made).toEqual([]);
});

test("no command at all shows the help, and is an error", async () => {
  expect(await tidemark()).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    Usage: tidemark [options] [command]

    Runs Drizzle migrations on PostgreSQL: locked, fenced, resumable, recorded.

    Options:
      -V, --version                      output the version number
      -h, --help                         display help for command

    Commands:
      init [options]                     make the database, its owner, the
                                         application's role, their rights and the
                                         ledger
      migrate [options]                  apply what is pending
      plan [options]                     show what migrate would run, lock and wait
                                         for
      doctor [options]                   look at what a run would meet: server,
                                         role, connections, locks, ledger; reads
                                         only
      rollback [options]                 take migrations back by their down files,
                                         newest first
      status [options]                   show the last ten migrations, and each that
                                         is not done: state, time, duration, who
      events [options]                   print the log: what was started, done or
                                         failed, when and by whom
      wait [options]                     wait until another process has migrated the
                                         database; write nothing
      drift [options]                    compare the database with what its applied
                                         migrations make; exit with 4 if it differs
      adopt [options]                    take over a database with a past: record
                                         what is applied there, run nothing
      repair [options]                   reset FAILED and STUCK migrations to
                                         PENDING where that is safe
      resolve [options] <tag>            answer whether a statement in doubt was
                                         done (exit code 6)
      backfill [options] [action] [tag]  list backfills, run those of the
                                         background, pause, resume or cancel one
      generate [options] [name]          generate the next migration with
                                         drizzle-kit, check it, and verify its down
                                         file
      down-file [options] [tags...]      generate rollback files, each verified on a
                                         scratch database
      step [options] <migration>         write the code step of a migration, with
                                         the schema that it sees
      build-steps [options]              copy the migrations folder with its code
                                         steps compiled, for an image
      sum [options]                      rewrite tidemark.sum after an intended
                                         change
      rebase [options]                   after a merge: move this branch's own
                                         migrations behind those of its base
      verify [options]                   the CI gate: schema, files, order, replay,
                                         down files (exit code 4)
      completion <shell>                 print a completion script for a shell
      help [command]                     display help for command

    Exit codes: 0 success; 1 failed; 2 wrong usage, settings or files; 3 pending (status --check);
    4 edited, out of order, drifted or not verified; 5 timed out waiting for another runner or a lock;
    6 needs a person (resolve); 130/143 canceled.
    "
  `);
});

test("an unknown command names the one that was meant", async () => {
  expect(await tidemark("migrte")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error: unknown command 'migrte'
    (Did you mean migrate?)
    Run with --help for the options.
    "
  `);
  expect(await tidemark("frobnicate")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error: unknown command 'frobnicate'
    Run with --help for the options.
    "
  `);
  expect(await tidemark("frobnicate", "--json")).toMatchInlineSnapshot(`
    "exit code 2
    --- stdout
    {"error":{"code":"usage","exitCode":2,"fact":"unknown command 'frobnicate'","outcome":null,"remedy":"Run with --help.","place":null,"tag":null,"applied":[],"notRun":[],"details":null}}
    --- stderr
    error: unknown command 'frobnicate'
    Run with --help for the options.
    "
  `);
});

test("an unknown option names the one that was meant", async () => {
  expect(await tidemark("migrate", "--dryrun")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error: unknown option '--dryrun'
    (Did you mean --dry-run?)
    Run with --help for the options.
    "
  `);
  expect(await tidemark("status", "--frobnicate")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error: unknown option '--frobnicate'
    Run with --help for the options.
    "
  `);
  expect(await tidemark("status", "--dry-run", "--json")).toMatchInlineSnapshot(`
    "exit code 2
    --- stdout
    {"error":{"code":"usage","exitCode":2,"fact":"unknown option '--dry-run'","outcome":null,"remedy":"Run with --help.","place":null,"tag":null,"applied":[],"notRun":[],"details":null}}
    --- stderr
    error: unknown option '--dry-run'
    Run with --help for the options.
    "
  `);
});

test("an argument too many is not taken for a name", async () => {
  expect(await tidemark("migrate", "0001_add_author")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error: too many arguments for 'migrate'. Expected 0 arguments but got 1.
    Run with --help for the options.
    "
  `);
  expect(await tidemark("migrate", "--dry-run=no")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error: unknown option '--dry-run=no'
    (Did you mean --dry-run?)
    Run with --help for the options.
    "
  `);
});

test("an option without its value", async () => {
  expect(await tidemark("migrate", "--to")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error: option '--to <tag>' argument missing
    Run with --help for the options.
    "
  `);
  expect(await tidemark("migrate", "--to", "--dry-run")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (usage) There is no migration --dry-run in drizzle.
    Nothing was run. \`tidemark status\` lists the tags; the newest is 0002_first_note.
    "
  `);
  expect(await tidemark("migrate", "--url")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error: option '--url <url>' argument missing
    Run with --help for the options.
    "
  `);
});

test("a time-out that is no number", async () => {
  expect(await tidemark("migrate", "--connect-timeout", "soon")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The settings cannot be used: --connect-timeout is "soon", where a number of seconds from 0 is expected.
    Nothing was run. Correct this and run again.
    "
  `);
  expect(await tidemark("migrate", "--wait-timeout", "-1")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The settings cannot be used: --wait-timeout is "-1", where a number of seconds from 0 is expected.
    Nothing was run. Correct this and run again.
    "
  `);
  expect(await tidemark("migrate", "--wait-timeout", "", "--json")).toMatchInlineSnapshot(`
    "exit code 2
    --- stdout
    {"error":{"code":"config","exitCode":2,"fact":"The settings cannot be used: --wait-timeout is \\"\\", where a number of seconds from 0 is expected.","outcome":"nothing-run","remedy":"Correct this and run again.","place":null,"tag":null,"applied":[],"notRun":[],"details":null}}
    --- stderr
    error (config) The settings cannot be used: --wait-timeout is "", where a number of seconds from 0 is expected.
    Nothing was run. Correct this and run again.
    "
  `);
  expect(await tidemark("migrate", "--connect-timeout", "9999999")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The settings cannot be used: the connect time-out is 9999999000, where a number of milliseconds from 0 to 2147483647 is expected.
    Nothing was run. Correct this and run again.
    "
  `);
});

test("a URL that is empty is not replaced by the environment's", async () => {
  expect(await tidemark("migrate", "--url", "")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The settings cannot be used: --url is empty: set the variable that it comes from.
    Nothing was run. Correct this and run again.
    "
  `);
});

test("a URL that is none is not shown: it holds a password", async () => {
  const url = "postgres://ada:hunter2@db:port/shop";
  expect(await tidemark("migrate", "--url", url)).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The settings cannot be used: --url is not a URL like postgres://user:password@host:5432/database (special characters encoded: @ as %40, # as %23).
    Nothing was run. Correct this and run again.
    "
  `);
  expect(await tidemark("status", "--url", url, "--json")).not.toContain("hunter2");
});

test("a count that is none is shown as it was typed", async () => {
  expect(await tidemark("migrate", "--lock-tries", "x")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The settings cannot be used: --lock-tries is "x", where a whole number from 1 is expected.
    Nothing was run. Correct this and run again.
    "
  `);
});

test("a schema for the ledger that PostgreSQL reserves", async () => {
  expect(await tidemark("migrate", "--ledger-schema", "pg_ledger")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The settings cannot be used: the ledger's schema pg_ledger starts with pg_, which PostgreSQL reserves.
    Nothing was run. Correct this and run again.
    "
  `);
});

test("mistakes in the environment and in the options are one message", async () => {
  const env = { DATABASE_URL: "mysql://ada:hunter2@db/x", MIGRATION_DATABASE_URL: "hunter2 db" };
  await here.project.write("drizzle.config.json", "{ out: }");
  const args = [
    "migrate",
    "--ledger-schema",
    "pg_ledger",
    "--connect-timeout",
    "soon",
    "--wait-timeout",
    "-5",
  ];
  const all = screen(await here.project.run(args, env), { project: here.project.root });
  expect(all.replace(/(cannot be read: ).*/, "$1<reason>")).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) The settings cannot be used:
      DATABASE_URL starts with mysql:// where postgres:// is expected
      MIGRATION_DATABASE_URL is not a URL like postgres://user:password@host:5432/database (special characters encoded: @ as %40, # as %23)
      --connect-timeout is "soon", where a number of seconds from 0 is expected
      --wait-timeout is "-5", where a number of seconds from 0 is expected
      the ledger's schema pg_ledger starts with pg_, which PostgreSQL reserves
      <project>/drizzle.config.json cannot be read: <reason>
    Nothing was run. Correct these and run again.
    "
  `);
  const { stdout, code } = await here.project.run([...args, "--json"], env);
  expect(code).toBe(2);
  expect(JSON.parse(stdout)).toMatchObject({
    error: {
      code: "config",
      exitCode: 2,
      fact: expect.stringMatching(/mysql:.*\n.*\n.*soon.*\n.*-5.*\n.*pg_ledger/),
    },
  });
});

test("no URL, and a mistake beside it, are one message", async () => {
  const { code, stderr } = await here.project.run([
    "status",
    "--connect-timeout",
    "x",
    "--dir",
    "",
  ]);
  expect(code).toBe(2);
  expect(stderr).toMatchInlineSnapshot(`
    "error (config) The settings cannot be used:
      --connect-timeout is "x", where a number of seconds from 0 is expected
      the migrations folder has no name
      No database URL is set (--url, MIGRATION_DATABASE_URL, DATABASE_URL, dbCredentials of the drizzle configuration, PGHOST).
    Nothing was run. Correct these and run again.
    "
  `);
});

test("no URL", async () => {
  expect(screen(await here.project.run(["migrate"]))).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) No database URL is set (--url, MIGRATION_DATABASE_URL, DATABASE_URL, dbCredentials of the drizzle configuration, PGHOST).
    Nothing was run. Set DATABASE_URL (or MIGRATION_DATABASE_URL), or give --url postgres://user:password@host:5432/database; --embedded uses this folder's own development server.
    "
  `);
  const production = { NODE_ENV: "production" };
  expect(
    screen(await here.project.run(["migrate", "--embedded"], production)),
  ).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) No database URL is set, and with NODE_ENV=production no embedded server is started.
    Nothing was run. Set DATABASE_URL (or MIGRATION_DATABASE_URL), or give --url postgres://user:password@host:5432/database; --embedded uses this folder's own development server.
    "
  `);
});

test("a drizzle configuration that cannot be run", async () => {
  await here.project.write("drizzle.config.ts", "export default { out: missing };");
  const text = screen(await here.project.run(["migrate"], { DATABASE_URL: here.database.url }), {
    project: here.project.root,
  });
  expect(text).toMatchInlineSnapshot(`
    "exit code 2
    --- stderr
    error (config) <project>/drizzle.config.ts cannot be read: missing is not defined
    Nothing was run. Correct it, or name the migrations folder with --dir.
    "
  `);
  expect(await tidemark("migrate", "--config", "other.config.ts")).toContain("other.config.ts");
});

/** Loaded before a command: a defect in what each of them does first. */
function planted(defect: string): Readonly<Record<string, string>> {
  const script = `
    import fs from "node:fs";
    import { syncBuiltinESMExports } from "node:module";
    const { existsSync } = fs;
    fs.existsSync = (path) => {
      if (!/drizzle\\.config/.test(path)) return existsSync(path);
      const defect = () => { throw new TypeError("no such luck"); };
      ${defect}
    };
    syncBuiltinESMExports();`;
  return { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(script)}` };
}

test("a defect is an error with --json too, with the stack on stderr", async () => {
  const commands = [
    ...["migrate", "status", "events", "wait", "drift", "repair", "generate", "sum", "verify"],
    ...[
      "resolve 0000_x --done",
      "down-file 0000_x",
      "events --follow",
      "adopt",
      "adopt --baseline",
    ],
  ];
  const url = here.database.url;
  const env = { ...planted("defect();"), DATABASE_URL: url };
  const internal = {
    error: {
      code: "internal",
      exitCode: 1,
      fact: "TypeError: no such luck",
      outcome: null,
      remedy: "This is a bug in tidemark: please report it with the stack on stderr.",
      place: null,
      tag: null,
      applied: [],
      notRun: [],
      details: null,
    },
  };
  await Promise.all(
    commands.map(async (command) => {
      const result = await here.project.run([...command.split(" "), "--json"], env);
      expect({ command, code: result.code, said: JSON.parse(result.stdout) }).toEqual({
        ...{ command, code: 1, said: internal },
      });
      expect(result.stderr).toMatch(/^unexpected error, .*TypeError: no such luck\n\s+at /);
    }),
  );
  const text = await here.project.run(["status"], env);
  expect(text).toMatchObject({ code: 1, stdout: "" });
});

test("so is one that no command can catch", async () => {
  const env = planted("setImmediate(defect); return false;");
  const { code, stdout, stderr } = await here.project.run(["wait", "--json"], {
    ...env,
    DATABASE_URL: here.database.url,
  });
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: "internal", exitCode: 1 } });
  expect(stderr).toMatch(/^unexpected error, .*TypeError: no such luck\n\s+at /);
  expect(code).toBe(1);
});
