import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { countingHistory, useHistory } from "../helpers/history.ts";
import { expectFoldToMatch } from "../helpers/ledger.ts";
import { outcomeOf } from "../helpers/outcome.ts";
import { startPgBouncer } from "../helpers/pgbouncer.ts";
import { createMigratingRole } from "../helpers/role.ts";

const database = useDatabase();
const folder = useHistory({
  ...countingHistory(6),
  "0006_index": "create index concurrently ticks_n on ticks (n);\ninsert into ticks values (6);",
});
const program = process.env.PGBOUNCER ?? "/usr/sbin/pgbouncer";

/** The pooler's settings, and a herd of six goes through it. */
const POOLERS: readonly (readonly [
  what: string,
  settings: Readonly<Record<string, string | number>>,
])[] = [
  ["transactions, a pool of 1", { default_pool_size: 1 }],
  ["transactions, a pool of 2", { default_pool_size: 2 }],
  ["sessions, a pool of 2", { pool_mode: "session", default_pool_size: 2 }],
  ["sessions, a pool of 1", { pool_mode: "session", default_pool_size: 1 }],
  [
    "sessions that are left as they are",
    { pool_mode: "session", default_pool_size: 3, server_reset_query: "" },
  ],
  ["connections that live for a second", { default_pool_size: 3, server_lifetime: 1 }],
  ["connections that are closed when idle", { default_pool_size: 3, server_idle_timeout: 1 }],
  [
    "a reset after each transaction",
    { default_pool_size: 3, server_reset_query: "DISCARD ALL", server_reset_query_always: 1 },
  ],
  ["fast round-robin", { default_pool_size: 4, server_round_robin: 1 }],
  [
    "settings of the start left out",
    {
      default_pool_size: 3,
      ignore_startup_parameters: "application_name,options,extra_float_digits",
    },
  ],
  [
    "a check before each use",
    { default_pool_size: 3, server_check_delay: 0, server_check_query: "select 1" },
  ],
  ["small packets", { default_pool_size: 3, pkt_buf: 256 }],
  // A transaction of ours is a message, which is a statement to it.
  ["statements", { pool_mode: "statement", default_pool_size: 3 }],
];

describe.skipIf(!existsSync(program))("through a pooler with", () => {
  test.each(POOLERS)("%s", { timeout: 60_000 }, async (_, settings) => {
    const role = await createMigratingRole(database, "");
    const pooler = await startPgBouncer([role.url], { log_connections: 0, ...settings });
    try {
      const url = `${pooler.through(role.url)}`;
      const runs = Array.from({ length: 6 }, () =>
        outcomeOf(
          new DatabaseMigrator({
            url,
            dir: folder.dir,
            waitTimeoutMs: 30_000,
            connectTimeoutMs: 20_000,
          }).migrate(),
        ),
      );
      const ends = await Promise.all(runs);
      expect(ends.toSorted()).toEqual(["applied 7", ...Array.from({ length: 5 }, () => "current")]);
      expect(await database.sql`select count(*)::int as n from ticks`).toEqual([{ n: 6 }]);
      await expectFoldToMatch(database.url);
    } finally {
      await pooler.stop();
      await role.drop();
    }
  });
});
