import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forecastText } from "../../src/cli/support/plan-text.ts";
import { type Forecast, forecast, scriptOf } from "../../src/db/forecast/index.ts";
import { DatabaseMigrator, loadParser } from "../../src/db/migrate/index.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { THREE } from "../helpers/history.ts";
import { createMigratingRole } from "../helpers/role.ts";
import { until } from "../helpers/until.ts";

const BEFORE = { ...THREE, "0002_first_note": undefined };

const NEXT = `alter table "notes" add column "token" uuid default gen_random_uuid();
create table "tags" ("id" serial primary key, "note_id" integer references "notes");
create index concurrently "notes_body_idx" on "notes" ("body");
alter table "notes" alter column "author" set not null;
alter table "notes" rename to "memos";
alter table "memos" add check ("author" <> '');
`;

// No test changes it but the last, which runs what is pending.
let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  await migratorOf("select 1").migrate({ to: "0001_add_author" });
  await database.sql`insert into notes (body, author) select 'b', 'a' from generate_series(1, 1200)`;
});

afterAll(() => database.drop());

function migratorOf(next: string, url = database.url): DatabaseMigrator {
  const sqls = { ...BEFORE, "0002_next": next };
  const history = Object.entries(sqls).flatMap(([tag, sql]) =>
    sql === undefined ? [] : { tag, sql },
  );
  return new DatabaseMigrator({ url, history });
}

async function look(sampleMs = 0, url = database.url): Promise<Forecast> {
  const plan = await migratorOf(NEXT, url).plan();
  return forecast(plan, { url, connectTimeoutMs: 10_000, sampleMs });
}

/** Each statement's locks, and how many sessions it would wait for. */
function linesOf({ steps: [step] }: Forecast): readonly string[] {
  return (step?.forecast ?? []).map(({ statement, locks, waitsForSnapshots }) => {
    const all = locks.map(
      ({ mode, table, work, isNew, waitsFor }) =>
        `${mode} ${table} ${work}${isNew ? " new" : ""}${waitsFor.length > 0 ? ` behind ${waitsFor.length}` : ""}`,
    );
    return [statement, ...all, waitsForSnapshots.length > 0 ? "behind snapshots" : ""]
      .join(" ")
      .trim();
  });
}

describe("a forecast", () => {
  test("tells each statement's locks, names resolved, with what earlier statements change", async () => {
    const found = await look();
    expect(linesOf(found)).toEqual([
      "1 ACCESS EXCLUSIVE public.notes rewrite",
      "2 SHARE ROW EXCLUSIVE public.notes instant",
      "3 SHARE UPDATE EXCLUSIVE public.notes scan",
      "4 ACCESS EXCLUSIVE public.notes scan",
      "5 ACCESS EXCLUSIVE public.notes instant",
      "6 ACCESS EXCLUSIVE public.memos scan",
    ]);
    expect(found.steps[0]?.segments).toEqual([
      { kind: "transaction", statements: [1, 2] },
      { kind: "outside", statements: [3] },
      { kind: "transaction", statements: [4, 5, 6] },
    ]);
    expect(found).toMatchObject({ sessions: [], notes: [] });
    expect(found.tables).toMatchObject([
      { table: "public.notes", rows: 1200, isExact: true, writesPerSecond: 0 },
    ]);
    expect(found.tables[0]?.bytes).toBeGreaterThan(1200 * 30);
  });

  test("names who is in the way of which statement, with the query masked", async () => {
    const other = postgres(database.url, { max: 1, connection: { application_name: "report" } });
    await other.unsafe(
      "begin isolation level repeatable read; select count(*), 'password=hush' as p from notes",
    );
    const found = await look();
    await other.end();
    expect(linesOf(found)).toEqual([
      "1 ACCESS EXCLUSIVE public.notes rewrite behind 1",
      "2 SHARE ROW EXCLUSIVE public.notes instant",
      "3 SHARE UPDATE EXCLUSIVE public.notes scan behind snapshots",
      "4 ACCESS EXCLUSIVE public.notes scan behind 1",
      "5 ACCESS EXCLUSIVE public.notes instant behind 1",
      "6 ACCESS EXCLUSIVE public.memos scan behind 1",
    ]);
    expect(found.sessions).toMatchObject([
      { user: "postgres", application: "report", state: "idle in transaction" },
    ]);
    expect(found.sessions[0]?.query).toContain("select count(*), 'password=***'");
    expect(found.sessions[0]?.forMs).toBeGreaterThanOrEqual(0);
  });

  test("says that a concurrent build waits for those who have written the table", async () => {
    const other = postgres(database.url, { max: 1 });
    await other.unsafe("begin; update notes set body = body where id = 1");
    const found = await look();
    await other.unsafe("rollback");
    await other.end();
    expect(linesOf(found)[2]).toMatch(/^3 SHARE UPDATE EXCLUSIVE public.notes scan behind 1/);
  });

  test("names one that waits itself: whoever asks later stands behind it", async () => {
    const reader = postgres(database.url, { max: 1 });
    await reader.unsafe("begin; select from notes");
    const waiter = postgres(database.url, { max: 1 });
    const waiting = waiter.unsafe("begin; lock table notes").catch(() => undefined);
    await until(
      () => database.sql`select 1 from pg_locks where relation = 'notes'::regclass and not granted`,
    ).toHaveLength(1);
    const plan = await migratorOf("create index on notes (body)").plan();
    const found = await forecast(plan, {
      ...{ url: database.url, connectTimeoutMs: 10_000, sampleMs: 0 },
    });
    await reader.end();
    await waiting;
    await waiter.end();
    expect(linesOf(found)).toEqual(["1 SHARE public.notes scan behind 1"]);
    expect(found.sessions[0]?.query).toBe("begin; lock table notes");
  });

  test("does not wait for a table that somebody has locked: it says what it could not see", async () => {
    const other = postgres(database.url, { max: 1 });
    await other.unsafe("begin; lock table notes");
    const found = await look();
    await other.end();
    expect(found.tables).toMatchObject([{ isExact: false, isBytesEstimated: true }]);
    expect(linesOf(found)[1]).toBe("2 SHARE ROW EXCLUSIVE public.notes instant behind 1");
  });

  test("counts the writes between its two looks", async () => {
    let written = Promise.resolve<unknown>(undefined);
    const writes = setInterval(() => {
      written = database.sql`update notes set body = body where id < 50`.catch(() => undefined);
    }, 50);
    const found = await look(1_500);
    clearInterval(writes);
    await written;
    expect(found.tables[0]?.writesPerSecond).toBeGreaterThan(10);
  });

  test("needs only the right to read, and says what a role does not see", async () => {
    const role = await createMigratingRole(database, "");
    await database.sql.unsafe(
      `grant usage on schema tidemark to ${role.name}; grant select on all tables in schema tidemark to ${role.name}`,
    );
    const found = await look(0, role.url);
    expect(linesOf(found)[0]).toBe("1 ACCESS EXCLUSIVE public.notes rewrite");
    expect(found.notes.join()).toMatch(
      /^The role migrating_\w+ does not see what other roles' sessions run/,
    );
    await role.drop();
  });
});

test("shows a scan under the lock that its transaction holds by then", async () => {
  const found = await forecast(
    await migratorOf(
      "alter table notes add constraint there check (body <> '') not valid;\nalter table notes validate constraint there;",
    ).plan(),
    { url: database.url, connectTimeoutMs: 5_000, sampleMs: 0 },
  );
  const [, { locks } = { locks: [] }] = found.steps[0]?.forecast ?? [];
  expect(locks).toMatchObject([
    { mode: "SHARE UPDATE EXCLUSIVE", held: "ACCESS EXCLUSIVE", work: "scan" },
  ]);
  expect(forecastText(found)).toMatch(/2 {2}ACCESS EXCLUSIVE \(held\) {2}notes {2}scan/);
});

test("the table of a forecast fits the terminal: columns go from the right", async () => {
  const found = await look();
  const tableOf = (most?: number) =>
    forecastText(found, most).split("\n--\n")[0]?.split("\n") ?? [];
  expect(tableOf()[0]).toMatch(/^-- statement +lock +on +for +rows +size +writes\/s$/);
  expect(tableOf(64)[0]).toMatch(/^-- statement +lock +on +for +rows$/);
  for (const line of tableOf(64)) expect(line.length).toBeLessThanOrEqual(70);
});

describe("a script of a plan", () => {
  test("ends each statement, also behind a comment, and begins with what tells the ledger", async () => {
    const script = scriptOf(
      await migratorOf("insert into notes (id) values (7) -- the last").plan(),
    );
    expect(script).toContain("values (7) -- the last\n;\nCOMMIT;");
    expect(script).toContain("\n--   tidemark adopt --mark-applied 0002_next\n");
  });

  test("stops before a statement whose secret is masked", async () => {
    const script = scriptOf(await migratorOf("create role r password 'hush';").plan());
    expect(script).not.toContain("hush");
    const refusal = script.indexOf("Statement 1 of 0002_next has a secret that is masked here");
    expect(refusal).toBeGreaterThan(0);
    expect(script.indexOf("create role r password '***'")).toBeGreaterThan(refusal);
  });

  test("runs statement after statement, as psql does, and leaves the database as a run would", async () => {
    // psql's own line aside.
    const sql = scriptOf(await migratorOf(NEXT).plan()).replace(/^\\set .*$/m, "");
    const { parse } = await loadParser();
    const session = await database.sql.reserve();
    const commands: string[] = [];
    for (const { stmt_location: start = 0, stmt_len } of parse(sql).stmts ?? []) {
      const { command } = await session.unsafe(sql.slice(start, stmt_len && start + stmt_len));
      commands.push(command);
    }
    session.release();
    expect(commands.join("; ")).toBe(
      "BEGIN; SET; ALTER TABLE; CREATE TABLE; COMMIT; CREATE INDEX; BEGIN; SET; ALTER TABLE; ALTER TABLE; ALTER TABLE; COMMIT",
    );
    const [row] = await database.sql`select to_regclass('memos') is not null as done`;
    expect(row).toEqual({ done: true });
  });
});
