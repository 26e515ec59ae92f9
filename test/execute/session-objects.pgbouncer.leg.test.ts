import { expect, onTestFinished, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { startPgBouncer } from "../helpers/pgbouncer.ts";

const database = useDatabase();
const folder = useHistory({ "0000_a": "create table a (id int);" });

test.each([
  ["select pg_advisory_lock(7);", /0000_a\.sql uses pg_advisory_lock: /],
  [
    "do $$ begin perform pg_try_advisory_lock_shared(8); end $$;",
    /uses pg_try_advisory_lock_shared: /,
  ],
  [
    "prepare p as select 1; execute p; select pg_advisory_lock(9);",
    /uses PREPARE and pg_advisory_lock: /,
  ],
  ["select pg_advisory_xact_lock(7);", undefined],
])(
  "behind a pooler, %s is a warning where it stays in the server's session",
  async (sql, message) => {
    const pooler = await startPgBouncer([database.url], { default_pool_size: 1 });
    onTestFinished(pooler.stop);
    await folder.write("0000_a", sql);
    const found: string[] = [];
    const run = (url: string) =>
      new DatabaseMigrator({ url, dir: folder.dir }).migrate({
        onProgress: (item) => {
          if (item.kind === "warning") found.push(item.warning.message);
        },
      });
    expect(await run(pooler.through(database.url))).toMatchObject({ outcome: "applied" });
    if (message === undefined) expect(found).toEqual([]);
    else expect(found).toEqual([expect.stringMatching(message)]);
  },
);
