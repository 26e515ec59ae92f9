import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Difference, describeDifference } from "../../src/db/catalog/index.ts";
import { type DriftReport, findDrift } from "../../src/db/drift/index.ts";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { PLANTS } from "../helpers/catalog-plants.ts";
import { onServer, type TestDatabase, useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

// The database is on the leg's server, the scratch server an embedded PostgreSQL 18.
const database = useDatabase();
const history = useHistory();
const roles = { owner: "drift_versions_owner", reader: "drift_versions_reader" };

beforeAll(() =>
  onServer((admin) => admin.ask(`create role ${roles.owner}; create role ${roles.reader}`)),
);
afterAll(() => onServer((admin) => admin.ask(`drop role ${roles.owner}, ${roles.reader}`)));

async function migrated(file: string): Promise<TestDatabase> {
  const sql = await readFile(`test/fixtures/catalog/${file}`, "utf8");
  await history.make({ "0000_all": withNames(sql) });
  await new DatabaseMigrator({ url: database.url, dir: history.dir }).migrate();
  return database;
}

function withNames(sql: string): string {
  return sql
    .replaceAll(":database", database.name)
    .replace(/:(owner|reader)\b/g, (_all, role: "owner" | "reader") => roles[role]);
}

function drift(...ignore: readonly string[]): Promise<DriftReport> {
  return findDrift({
    ...{ url: database.url, dir: history.dir, ledgerSchema: "tidemark", ignore },
    scratchDir: join(history.dir, ".tidemark"),
  });
}

const linesOf = ({ differences }: DriftReport): readonly string[] =>
  JSON.parse(
    JSON.stringify(differences.map((one) => describeDifference(one as Difference)))
      .replaceAll(roles.owner, ":owner")
      .replaceAll(roles.reader, ":reader"),
  );

test("definitions that two major versions write in two ways are the same", async () => {
  await migrated("definitions.sql");
  const report = await drift();
  expect(linesOf(report)).toEqual([]);
  expect(report.warnings).toEqual([]);
});

test("each definition that was changed by hand is found, and no other", async () => {
  const { sql } = await migrated("definitions.sql");
  await sql.unsafe(`
    create or replace view plain as select id, age + 0 as age from people;
    create or replace view joined as select p.id, o.total from people p left join orders o on o.person = p.id;
    create or replace view dist as select distinct on (age) age, id from people order by age, id desc;
    drop materialized view mat;
    create materialized view mat as select age, count(*) as n from people where id > 0 group by age;
    create or replace rule r2 as on delete to plain do also insert into orders (id, person) select old.id, id from people where id > old.id;
    create or replace function atom(a int) returns int language sql stable begin atomic select age + 1 from people where id = a; end;
    create or replace function plain_(a int) returns int language sql as 'select age from people where id > a';
    alter policy pol2 on orders using (person in (select id from people where age > 1));
    alter table people add column later int;
    create or replace view rn(aa, bb) as select id, later as age from people`);
  expect(linesOf(await drift()).map((line) => line.split(":")[0])).toEqual([
    "function public.atom(integer)",
    "view public.dist",
    "view public.joined",
    "materialized view public.mat",
    "policy public.orders.pol2",
    "column public.people.later is not expected (integer)",
    "view public.plain",
    "rule public.plain.r2",
    "function public.plain_(integer)",
    "view public.rn",
  ]);
});

test("every planted difference is found, and nothing else is", async () => {
  const { sql } = await migrated("shop.sql");
  for (const plant of PLANTS) await sql.unsafe(withNames(plant.sql));
  expect(linesOf(await drift("ledger")).toSorted()).toEqual(
    PLANTS.flatMap(({ said }) => said).toSorted(),
  );
});
