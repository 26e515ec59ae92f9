import postgres from "postgres";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { connect } from "../../src/db/connection/connect.ts";
import { readScene } from "../../src/db/forecast/read-scene.ts";
import { loadParser } from "../../src/db/migrate/index.ts";
import type { Work } from "../../src/db/sql-tree/locks/effect.ts";
import { effectsOf } from "../../src/db/sql-tree/locks/effects.ts";
import { follow } from "../../src/db/sql-tree/locks/follow.ts";
import { LOCK_MODES, type LockMode, serverModeOf } from "../../src/db/sql-tree/locks/lock-modes.ts";
import type { Scene, SceneTable } from "../../src/db/sql-tree/locks/scene.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
import { until } from "../helpers/until.ts";
import { BASE, FORMS } from "./lock-forms.ts";

let database: TestDatabase;
let one: postgres.Sql;
let scene: Scene;
let version: number;

beforeAll(async () => {
  expect(inject("serverUrl")).toBeTruthy();
  database = await createDatabase();
  await database.sql.unsafe(BASE);
  one = postgres(database.url, { max: 1, onnotice: () => undefined });
  scene = await sceneNow();
  version = Math.floor(scene.facts.serverVersion / 10_000);
});

afterAll(async () => {
  await one.end({ timeout: 1 });
  await database.drop();
});

test("each form of DDL takes the locks that are predicted, and does what is predicted under them", async () => {
  const wrong: string[] = [];
  let count = 0;
  for (const form of FORMS) {
    const [, from = "0", sql = form] = /^>= (\d+): (.*)$/.exec(form) ?? [];
    if (version < Number(from)) continue;
    count += 1;
    const expected = await predicted(sql);
    const found = await seen(sql, expected);
    if (text(expected) !== text(found)) {
      wrong.push(`${sql}\n predicted${text(expected)}\n seen${text(found)}`);
    }
  }
  expect(count).toBeGreaterThan(150);
  expect(wrong.join("\n\n")).toBe("");
});

async function sceneNow(): Promise<Scene> {
  const { session } = await connect(
    {
      url: database.url,
      connectTimeoutMs: 5_000,
      onProgress: () => undefined,
      onFailpoint: undefined,
      signal: undefined,
    },
    "select 1",
  );
  try {
    return await readScene(session);
  } finally {
    await session.close();
  }
}

type Locks = ReadonlyMap<SceneTable, { readonly mode: LockMode; readonly work: Work }>;

const text = (locks: Locks) =>
  [...locks]
    .map(([{ name }, { mode, work }]) => `\n  ${name} ${mode} ${work}`)
    .sort()
    .join("");

async function predicted(sql: string, now = scene): Promise<Locks> {
  const { parse } = await loadParser();
  const tree = parse(sql).stmts?.[0]?.stmt;
  if (tree === undefined) throw new Error(`no statement: ${sql}`);
  return new Map(effectsOf(tree, now).map(({ table, mode, work }) => [table, { mode, work }]));
}

/** What a statement did in a transaction that was rolled back. */
async function seen(sql: string, expected: Locks): Promise<Locks> {
  const rolledBack = new Error("rolled back");
  const found = new Map<SceneTable, { mode: LockMode; work: Work }>();
  await one
    .begin(async (tx) => {
      const before = await figures(tx);
      await tx.unsafe(sql);
      const locks = await tx<{ relation: number; mode: string }[]>`
        select relation::bigint::int as relation, mode from pg_locks
        where pid = pg_backend_pid() and locktype = 'relation'`;
      const after = await figures(tx);
      for (const table of scene.tables) {
        const modes = locks.flatMap(({ relation, mode }) => (relation === table.oid ? mode : []));
        const mode = LOCK_MODES.findLast((name) => modes.includes(serverModeOf(name)));
        if (mode === undefined) continue;
        const said = expected.get(table)?.work ?? "instant";
        const [was, is] = [before.get(table.oid), after.get(table.oid)];
        // Nothing is stored of a view; how many rows a WHERE finds nobody has predicted; TRUNCATE takes an empty file.
        const isOpen =
          was === undefined || is === undefined || said === "rows" || /^truncate/.test(sql);
        const work =
          is?.node !== was?.node ? "rewrite" : is?.scans !== was?.scans ? "scan" : "instant";
        found.set(table, { mode, work: isOpen ? said : work });
      }
      throw rolledBack;
    })
    .catch((error: unknown) => {
      if (error !== rolledBack) throw new Error(`${sql}: ${String(error)}`);
    });
  return found;
}

async function figures(tx: postgres.TransactionSql) {
  const rows = await tx<{ oid: number; node: number; scans: number }[]>`
    select c.oid::bigint::int as oid, c.relfilenode::bigint::int as node, coalesce(s.seq_scan, 0)::int as scans
    from pg_class c left join pg_stat_xact_all_tables s on s.relid = c.oid where c.relkind in ('r', 'm')`;
  return new Map<number | undefined, { node: number; scans: number }>(
    rows.map(({ oid, ...rest }) => [oid, rest]),
  );
}

test("what runs outside of a transaction asks for the locks that are predicted", async () => {
  const holder = await one.reserve();
  const other = postgres(database.url, { max: 1, onnotice: () => undefined });
  const [{ pid = 0 } = {}] = await other<{ pid: number }[]>`select pg_backend_pid() as pid`;
  const wrong: string[] = [];
  for (const [mode, sql] of OUTSIDE) {
    await holder.unsafe(
      `begin isolation level repeatable read; lock table users in ${mode} mode; lock table hashed in ${mode} mode; select 1`,
    );
    const running = other.unsafe(sql).then(
      () => "ended",
      (error: unknown) => String(error),
    );
    let locks: readonly { relation: number; mode: string }[] = [];
    await until(async () => {
      locks = await database.sql<{ relation: number; mode: string }[]>`
        select l.relation::bigint::int as relation, l.mode from pg_locks l
        where l.pid = ${pid} and l.locktype = 'relation'
          and exists (select from pg_locks w where w.pid = ${pid} and not w.granted)`;
      return locks.length;
    }).toBeGreaterThan(0);
    const found = [...scene.tables].flatMap(({ oid, name }) => {
      const modes = locks.flatMap((lock) => (lock.relation === oid ? lock.mode : []));
      const strongest = LOCK_MODES.findLast((one) => modes.includes(serverModeOf(one)));
      return strongest === undefined ? [] : [`${name} ${strongest}`];
    });
    const expected = [...(await predicted(sql))].map(([{ name }, { mode }]) => `${name} ${mode}`);
    // The second half of DETACH … CONCURRENTLY, which locks the partition, comes later.
    if (found.length === 0 || !found.every((lock) => expected.includes(lock))) {
      wrong.push(`${sql}: predicted ${expected.join(", ")}, seen ${found.join(", ")}`);
    }
    await database.sql`select pg_cancel_backend(${pid})`;
    expect(await running).toContain("canceling statement");
    await holder.unsafe("rollback");
  }
  holder.release();
  await other.end({ timeout: 1 });
  expect(wrong).toEqual([]);
});

/** What holds each up, so that its locks can be looked at, and the statement. */
const OUTSIDE = [
  ["access share", "create index concurrently c on users (age)"],
  ["access share", "drop index concurrently users_email_idx"],
  ["access share", "reindex index concurrently users_nick_idx"],
  ["access share", "reindex table concurrently users"],
  ["share update exclusive", "alter table hashed detach partition hashed_0 concurrently"],
  ["access share", "vacuum full users"],
  ["share update exclusive", "vacuum users"],
] as const;

test("statements are followed: later ones are predicted as on the database that earlier ones leave", async () => {
  const wrong: string[] = [];
  for (const statements of SEQUENCES) {
    const { parse } = await loadParser();
    const followed = await sceneNow();
    const last = statements.at(-1) ?? "";
    for (const sql of statements.slice(0, -1)) {
      const tree = parse(sql).stmts?.[0]?.stmt;
      if (tree !== undefined) follow(tree, followed);
      await database.sql.unsafe(sql);
    }
    const [expected, found] = [
      await predicted(last, await sceneNow()),
      await predicted(last, followed),
    ];
    if (text(expected) !== text(found))
      wrong.push(`${last}${text(expected)}\nfollowed${text(found)}`);
    expect(expected.size).toBeGreaterThan(0);
  }
  expect(wrong.join("\n\n")).toBe("");
});

const SEQUENCES = [
  [
    "alter table plain add constraint a_there check (a is not null) not valid",
    "alter table plain alter column a set not null",
  ],
  [
    "alter table plain validate constraint a_there",
    "alter table plain alter column a set not null",
  ],
  ["alter table plain rename to simple", "alter table simple alter column a set not null"],
  [
    "alter table simple alter column a set not null",
    "alter table simple add primary key using index plain_a_idx",
  ],
  ["alter table simple rename column a to c", "alter table simple alter column c set not null"],
  [
    "create table newer (id int primary key, v varchar(10), o int references orgs)",
    "drop table newer",
  ],
  [
    "alter table newer alter column v type varchar(20)",
    "alter table newer alter column v type varchar(15)",
  ],
  ["create index newer_v on newer (v)", "drop index newer_v"],
  ["alter index newer_v rename to renamed_v", "drop index renamed_v"],
  ["alter table newer drop constraint newer_o_fkey", "drop table newer"],
  [
    "alter table newer set schema elsewhere",
    "alter table elsewhere.newer add column z int default random()",
  ],
  [
    "alter table logs attach partition logs_2025 for values from ('2025-01-01') to ('2026-01-01')",
    "alter table logs add column x int",
  ],
  ["alter table logs detach partition logs_2024", "alter table logs add column x int"],
  [
    "create function pick() returns int language sql as 'select (random() * 9)::int'",
    "alter table lone add column x int default pick()",
  ],
  ["create domain short as text check (length(value) < 9)", "alter table lone add column x short"],
  [
    "alter table logs alter column msg set not null",
    "alter table logs_rest alter column msg set not null",
  ],
  ["create index on lone (a)", "drop index lone_a_idx"],
  ["create index on logs (at)", "drop index logs_at_idx"],
  ["alter table orphan inherit base", "alter table base add column more int"],
  ["alter table base rename column t to u", "alter table only kin alter column u set not null"],
  ["create view fewer as select id from posts", "drop table posts cascade"],
  ["alter table users drop column name cascade", "drop table users cascade"],
  ["alter table users drop constraint users_pkey cascade", "drop table posts cascade"],
  [
    "alter table keyed drop constraint keyed_u_key",
    "alter table keyed alter column id type bigint",
  ],
  ["alter table keyed rename column id to uid", "alter table keyed alter column uid type int"],
  [
    "alter index keyed_pkey rename to keyed_key",
    "alter table keyed drop constraint keyed_key cascade",
  ],
  [
    "alter table mails rename column at to happened",
    "alter table mails alter column happened type timestamptz",
  ],
  ["create index on mails (id) where st <> ''", "alter table mails alter column st type varchar"],
  [
    "alter table mails add constraint there check (addr is not null)",
    "alter table mails drop column addr",
    "alter table mails add column addr text",
    "alter table mails alter column addr set not null",
  ],
  [
    "alter table mails add column if not exists email text not null default ''",
    "alter table mails alter column email set not null",
  ],
  ["alter domain positive rename to plus", "alter table lone add column p plus"],
  ["alter table mails set unlogged", "alter table mails set logged"],
  ["drop schema doomed cascade", "drop table orgs cascade"],
];
