import { expect, test } from "vitest";
import { copyTables } from "../../src/projections/rebuild/table-copy.ts";
import { usePools } from "../helpers/pool-fixture.ts";

const pools = usePools("empty");

/** What makes the planner read the same rows in another order, as newer statistics do. */
const WAYS = [
  [],
  ["enable_nestloop", "enable_mergejoin"],
  ["enable_hashjoin", "enable_mergejoin"],
  ["enable_hashjoin", "enable_nestloop"],
  ["enable_seqscan"],
  ["enable_indexscan", "enable_bitmapscan", "enable_indexonlyscan"],
];

test("a table is the same, in whichever order the server reads its catalog", async () => {
  const names = ["zeta", "alpha", "mid"];
  for (const name of names) {
    await pools.admin.query(`create table ${name} (b text, a integer primary key)`);
    await pools.admin.query(`alter table ${name} alter b set statistics 7`);
    await pools.admin.query(`alter table ${name} alter a set (n_distinct = 9)`);
    await pools.admin.query(`comment on table ${name} is 'of ${name}'`);
    await pools.admin.query(`comment on constraint ${name}_pkey on ${name} is 'its key'`);
  }
  // Its row of the catalog moves behind the others', and the index finds it first as before.
  await pools.admin.query("alter table zeta set (fillfactor = 90)");
  const digests = new Set<string>();
  for (const off of WAYS) {
    await pools.admin.transaction(async (tx) => {
      await tx.query("select set_config('search_path', 'pg_catalog', true)");
      const found = await tx.query<{ oid: number }>(
        "select oid::int from pg_class where relname = any($1)",
        [names],
      );
      for (const setting of off) await tx.query(`set local ${setting} to off`);
      const oids = found.map(({ oid }) => oid);
      digests.add((await copyTables(tx, oids, "rebuilt")).digest);
    });
  }
  expect([...digests]).toHaveLength(1);
});
