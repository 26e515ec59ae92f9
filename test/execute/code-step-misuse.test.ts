import { expect, test } from "vitest";
import {
  DatabaseMigrator,
  MigrateError,
  type MigratorOptions,
} from "../../src/db/migrate/index.ts";
import { IMPORT, stepText, writeStep } from "../helpers/code-steps.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_a": "create table a (n integer primary key);",
  "0001_b": "insert into a values (1);",
  "0002_c": "insert into a values (3);",
});

const migrator = (options: Partial<MigratorOptions> = {}) =>
  new DatabaseMigrator({ url: database.url, dir: folder.dir, ...options });

async function failure(run = migrator().migrate()): Promise<MigrateError> {
  const error = await run.then(
    () => expect.unreachable("it did not fail"),
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(MigrateError);
  return error;
}

const rows = async () => (await database.sql`select n from a order by n`).map(({ n }) => n);

const POSTGRES = JSON.stringify(import.meta.resolve("postgres").replace("file://", ""));

/** Bodies of `run` that fail: what is said, and what to do. */
const BAD: readonly (readonly [string, string, RegExp, RegExp])[] = [
  [
    "returns something",
    "return 7 as never;",
    /its `run` returned 7, where nothing is expected/,
    /Return nothing/,
  ],
  [
    "sends COMMIT",
    "await ctx.sql`commit`;",
    /it sent COMMIT, and a step runs in one transaction/,
    /throw to roll back, return to commit/,
  ],
  [
    "sends ROLLBACK among others",
    'await ctx.sql.query("select 1; rollback; select 2");',
    /it sent ROLLBACK/,
    /Take it out/,
  ],
  ["begins a transaction", "await ctx.sql`begin`;", /it sent BEGIN/, /Take it out/],
  [
    "copies from the client",
    "await ctx.sql`copy a from stdin`;",
    /it sent COPY from or to the client/,
    /INSERT/,
  ],
  [
    "swallows an error of the server's",
    "await ctx.sql`select 1/0`.catch(() => {});",
    /a query of it failed, and it went on: division by zero/,
    /SAVEPOINT/,
  ],
  [
    "goes on after an error",
    "await ctx.sql`select 1/0`.catch(() => {}); await ctx.sql`select 1`;",
    /division by zero/,
    /Next: correct/,
  ],
  [
    "does not await a query",
    "void ctx.sql`select pg_sleep(0.2)`.catch(() => {});",
    /it ended while a query of it was still running/,
    /Await each query/,
  ],
  [
    "leaves a rejection unhandled",
    'void Promise.reject(new Error("lost")); await new Promise((r) => setTimeout(r, 50));',
    /a promise that it did not await was rejected: lost/,
    /Await each promise/,
  ],
  [
    "throws in a timer",
    'setTimeout(() => { throw new Error("late"); }, 5); await new Promise((r) => setTimeout(r, 100));',
    /an error was thrown outside of its promise, in a timer or an event: late/,
    /Catch it there/,
  ],
  [
    "ends the process",
    "process.exit(3);",
    /it called process\.exit\(3\)/,
    /Return where there is nothing more to do/,
  ],
  [
    "ends the process from a callback",
    "setTimeout(() => process.exit(), 5); await new Promise((r) => setTimeout(r, 100));",
    /it called process\.exit\(\)/,
    /throw where it failed/,
  ],
  [
    "gives a parameter that is none",
    "await ctx.sql.query('select $1', [undefined]);",
    /TypeError: a parameter is undefined/,
    /Next: correct/,
  ],
  ["throws what is no error", 'throw "text";', /it threw text/, /Next: correct/],
];

test.each(BAD)(
  "a step that %s fails, and nothing of it is left",
  async (_name, body, fact, remedy) => {
    const file = await writeStep(
      folder.dir,
      "0001_b",
      stepText(`    await ctx.sql\`insert into a values (2)\`;\n    ${body}`),
    );
    const error = await failure();
    expect(error).toMatchObject({
      code: "migration_failed",
      tag: "0001_b",
      fact: expect.stringMatching(fact),
      remedy: expect.stringMatching(remedy),
      outcome: "partly-committed",
      recorded: { file, statement: 2, statements: 2 },
    });
    expect(await rows()).toEqual([1]);
    const status = await migrator().status();
    expect(status.migrations[1]?.state).toMatchObject({ kind: "FAILED", statementsDone: 1 });
    await writeStep(folder.dir, "0001_b", stepText("    await ctx.sql`insert into a values (2)`;"));
    expect(await migrator().migrate()).toMatchObject({
      applied: [{ tag: "0001_b" }, { tag: "0002_c" }],
    });
    expect(await rows()).toEqual([1, 2, 3]);
  },
);

test("savepoints are fine within a step", async () => {
  await writeStep(
    folder.dir,
    "0001_b",
    stepText(`    await ctx.sql\`savepoint s\`;
    await ctx.sql\`insert into a values (1)\`.catch(() => ctx.sql\`rollback to s\`);
    await ctx.sql\`insert into a values (2)\`;`),
  );
  await migrator().migrate();
  expect(await rows()).toEqual([1, 2, 3]);
});

test("check must say yes or no", async () => {
  await writeStep(folder.dir, "0001_b", stepText("", "  check: (async () => 1) as never,\n"));
  expect((await failure()).fact).toContain("its `check` returned 1, not true or false");
});

test("a connection of its own to the database ends a step; one elsewhere does not", async () => {
  const own = (url: string) =>
    stepText(`    const { default: postgres } = await import(${POSTGRES});
    const sql = postgres(${JSON.stringify(url)}, { max: 1, connect_timeout: 1 });
    await sql\`select 1\`.catch(() => {});
    await sql.end({ timeout: 0 });`);
  await writeStep(folder.dir, "0001_b", own(database.url));
  const error = await failure();
  expect(error.fact).toContain("it opened a connection of its own to the database");
  expect(error.remedy).toContain("Use ctx.sql or ctx.db");
  await writeStep(folder.dir, "0001_b", own("postgres://nobody@127.0.0.1:1/nothing"));
  expect(await migrator().migrate()).toMatchObject({ outcome: "applied" });
});

const HANGS =
  "await ctx.sql`insert into a values (2)`; ctx.signal.addEventListener('abort', () => ctx.log('told')); await new Promise(() => {});";

test.each([
  ["the run's time-out for steps", "", { stepTimeoutMs: 300 }, "300 ms"],
  ["its own", "  timeoutMs: 200,\n", {}, "200 ms"],
] as const)("a step that hangs is ended by %s", async (_name, more, options, text) => {
  await writeStep(folder.dir, "0001_b", stepText(`    ${HANGS}`, more));
  const lines: string[] = [];
  const onProgress = (progress: { readonly kind: string; readonly line?: string }) => {
    if (progress.line !== undefined) lines.push(progress.line);
  };
  const error = await failure(migrator(options).migrate({ onProgress }));
  expect(error.fact).toContain(`it did not end within ${text}`);
  expect(error.remedy).toContain("--step-timeout");
  expect(lines).toEqual(["told"]);
  expect(await rows()).toEqual([1]);
});

test("a query that hangs is canceled at the time-out", async () => {
  await writeStep(folder.dir, "0001_b", stepText("    await ctx.sql`select pg_sleep(600)`;"));
  const error = await failure(migrator({ stepTimeoutMs: 300 }).migrate());
  expect(error.fact).toContain("it did not end within 300 ms");
  expect(
    await database.sql`select pid from pg_stat_activity where query like '%pg_sleep(600)%' and state = 'active' and pid <> pg_backend_pid()`,
  ).toEqual([]);
});

test("the run's signal and its deadline end a step", async () => {
  await writeStep(folder.dir, "0001_b", stepText(`    ctx.log("on"); ${HANGS}`));
  const stop = new AbortController();
  const canceled = await failure(
    migrator().migrate({
      signal: stop.signal,
      onProgress: ({ kind }) => {
        if (kind === "step-log") stop.abort();
      },
    }),
  );
  expect(canceled).toMatchObject({ code: "canceled", tag: "0001_b" });
  expect(await failure(migrator({ deadlineMs: 1_500 }).migrate())).toMatchObject({
    code: "lock_timeout",
  });
  expect(await rows()).toEqual([1]);
});

test("a context is of no use once its step has ended", async () => {
  await writeStep(
    folder.dir,
    "0001_b",
    stepText("    (globalThis as { kept?: unknown }).kept = ctx;"),
  );
  await migrator().migrate();
  const { kept } = globalThis as unknown as {
    kept: { sql: (text: TemplateStringsArray) => Promise<unknown> };
  };
  await expect(kept.sql`select 1`).rejects.toThrow("its context was used after the step had ended");
});

test.each([
  [
    "no default export",
    `${IMPORT}\nexport const step = defineStep({ run() {} });\n`,
    /0001_b\.ts has no default export/,
  ],
  [
    "another default export",
    "export default { run() {} };\n",
    /has an object as its default export, not what defineStep\(\) returns/,
  ],
  [
    "no run",
    `${IMPORT}\nexport default defineStep({} as never);\n`,
    /defines a step without a function `run`/,
  ],
  [
    "a time-out that is none",
    `${IMPORT}\nexport default defineStep({ timeoutMs: -1, run() {} });\n`,
    /`timeoutMs` is -1/,
  ],
  [
    "an import that is not installed",
    `import "not-installed-at-all";\nexport default 1;\n`,
    /cannot be loaded: .*not-installed-at-all/,
  ],
  [
    "an error at its top",
    `const a: number = 1;\nthrow new RangeError("top");\nexport default a;\n`,
    /0001_b\.ts:2:7 cannot be loaded: top/,
  ],
])("a file with %s is refused before anything runs", async (_name, text, fact) => {
  await writeStep(folder.dir, "0001_b", text);
  expect(await failure()).toMatchObject({
    code: "history_invalid",
    outcome: "nothing-run",
    tag: "0001_b",
    fact: expect.stringMatching(fact),
  });
  expect(await database.sql`select to_regclass('tidemark.runner') as runner`).toEqual([
    { runner: null },
  ]);
});

test("an applied step is not loaded", async () => {
  await writeStep(folder.dir, "0001_b", stepText(""));
  await migrator().migrate();
  await folder.write("0003_d", "select 1;");
  await folder.list(["0000_a", "0001_b", "0002_c", "0003_d"]);
  (globalThis as { loads?: number }).loads = 0;
  await writeStep(
    folder.dir,
    "0003_d",
    `(globalThis as { loads?: number }).loads! += 1;\n${stepText("")}`,
  );
  await migrator().migrate();
  await migrator().migrate();
  await migrator().status();
  expect((globalThis as { loads?: number }).loads).toBe(1);
});

test("a step that gets no lock in time is run again from its start, with a new context", async () => {
  await migrator().migrate({ to: "0000_a" });
  await writeStep(
    folder.dir,
    "0001_b",
    stepText(`    const seen = ((globalThis as { seen?: Set<unknown> }).seen ??= new Set());
    seen.add(ctx);
    ctx.log(\`try \${seen.size}\`);
    await ctx.sql\`lock table held\`;
    await ctx.sql\`insert into a values (2)\`;`),
  );
  await database.sql`create table held ()`;
  const holder = await database.sql.reserve();
  await holder`begin`;
  await holder`lock table held`;
  const kinds: string[] = [];
  await migrator({ lockTimeoutMs: 100 }).migrate({
    onProgress: ({ kind }) => {
      kinds.push(kind);
      if (kind === "lock-retry" && kinds.filter((one) => one === kind).length === 1) {
        void holder`rollback`.then(() => holder.release());
      }
    },
  });
  expect(kinds.filter((kind) => kind === "step-log").length).toBeGreaterThan(1);
  expect(await rows()).toEqual([1, 2, 3]);
});
