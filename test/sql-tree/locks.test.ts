import postgres from "postgres";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { connect } from "../../src/db/connection/connect.ts";
import { readScene } from "../../src/db/forecast/read-scene.ts";
import { loadParser } from "../../src/db/migrate/index.ts";
import type { Work } from "../../src/db/sql-tree/locks/effect.ts";
import { effectsOf } from "../../src/db/sql-tree/locks/effects.ts";
import { LOCK_MODES, type LockMode, serverModeOf } from "../../src/db/sql-tree/locks/lock-modes.ts";
import type { Scene, SceneTable } from "../../src/db/sql-tree/locks/scene.ts";
import { createDatabase, type TestDatabase } from "../helpers/database.ts";
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
  scene = await readScene(session);
  version = Math.floor(session.serverVersion / 10_000);
  await session.close();
});

afterAll(async () => {
  await one.end();
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

type Locks = ReadonlyMap<SceneTable, { readonly mode: LockMode; readonly work: Work }>;

const text = (locks: Locks) =>
  [...locks]
    .map(([{ name }, { mode, work }]) => `\n  ${name} ${mode} ${work}`)
    .sort()
    .join("");

async function predicted(sql: string): Promise<Locks> {
  const { parse } = await loadParser();
  const tree = parse(sql).stmts?.[0]?.stmt;
  if (tree === undefined) throw new Error(`no statement: ${sql}`);
  return new Map(effectsOf(tree, scene).map(({ table, mode, work }) => [table, { mode, work }]));
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
      if (error !== rolledBack) console.log(`ERR ${sql}: ${String(error)}`);
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
