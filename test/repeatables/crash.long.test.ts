import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { runHerd, runInProcess } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory({
  "0000_t": "create table t (id integer);\ncreate table ran (what text);",
});
const options = () => ({ url: database.url, dir: folder.dir });

/** Each also says that it ran. */
async function writeThree(n: number) {
  const said = (what: string) => `insert into ran values ('${what}${n}');`;
  await folder.repeat(
    "a",
    `create or replace view a as select id${n > 1 ? "::text as id" : ""} from t;${said("a")}`,
  );
  await folder.repeat("b", `create or replace view b as select * from a;${said("b")}`);
  await folder.repeat(
    "c",
    `create or replace function c() returns integer language sql as 'select ${n}';${said("c")}`,
  );
}

const ran = async () =>
  (await database.sql`select what from ran order by what`).map(({ what }) => what);

test("twenty processes at once: each repeatable runs once", { timeout: 120_000 }, async () => {
  await writeThree(1);
  const ends = await runHerd(20, { options: options() });
  expect(ends.map(({ error }) => error)).toEqual(ends.map(() => undefined));
  expect(await ran()).toEqual(["a1", "b1", "c1"]);
  const all = ends.flatMap(({ report }) => report?.repeatables ?? []);
  expect(all.map(({ tag }) => tag).toSorted()).toEqual([
    "repeatable/a",
    "repeatable/b",
    "repeatable/c",
  ]);
});

test("processes that meet one that fails: one tries it, nobody who waited tries again", async () => {
  await new DatabaseMigrator(options()).migrate();
  await folder.repeat("a", "select pg_sleep(2); select 1 / 0;");
  const ends = await runHerd(6, { options: options() });
  expect(ends.map(({ error }) => error?.code)).toEqual(ends.map(() => "migration_failed"));
  const events = await new DatabaseMigrator(options()).events({ tag: "repeatable/a" });
  expect(events.map(({ type }) => type)).toEqual(["repeatable.failed"]);
});

test.each(["a", "b", "c"])(
  "killed before and after the commit of %s, the next run does what is left, once",
  { timeout: 60_000 },
  async (name) => {
    await writeThree(1);
    await new DatabaseMigrator(options()).migrate();
    for (const phase of ["before", "after"] as const) {
      const n = phase === "before" ? 2 : 3;
      await database.sql`truncate ran`;
      await writeThree(n);
      // b's turn comes with a's, whose column has another type: it has none of its own then.
      const message = `repeatable:repeatable/${name}` as const;
      const end = await runInProcess({
        options: options(),
        failpoint: { phase, message, mayBeMissed: name === "b" && n === 2 },
      });
      if (end.report === undefined) expect(end.signal).toBe("SIGKILL");
      await new DatabaseMigrator(options()).migrate();
      expect(await ran()).toEqual([`a${n}`, `b${n}`, `c${n}`]);
      expect(await new DatabaseMigrator(options()).migrate()).toMatchObject({ outcome: "current" });
    }
  },
);
