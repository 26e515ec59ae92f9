import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  type Catalog,
  CatalogError,
  type Comparison,
  compareCatalogs,
  describeDifference,
  planCatalog,
  readCatalog,
} from "../../src/db/catalog/index.ts";
import { PLANTS } from "../helpers/catalog-plants.ts";
import { TWINS } from "../helpers/catalog-twins.ts";
import { createDatabase, onServer, type TestDatabase, urlOfDatabase } from "../helpers/database.ts";

const LEFT_OUT = { leaveOut: ["ledger"] };

let shop: TestDatabase;
let copy: TestDatabase;
let roles: Readonly<Record<"owner" | "reader", string>>;

beforeAll(async () => {
  [shop, copy] = await Promise.all([createDatabase(), createDatabase()]);
  roles = { owner: `owner_${shop.name}`, reader: `reader_${shop.name}` };
  await shop.sql.unsafe(
    `create role ${roles.owner}; create role ${roles.reader} login password 'reader'`,
  );
  const sql = await readFile("test/fixtures/catalog/shop.sql", "utf8");
  await Promise.all([shop, copy].map((database) => run(database, sql)));
});

afterAll(async () => {
  await Promise.all([shop, copy].map((database) => database.drop()));
  await onServer((admin) => admin.ask(`drop role ${roles.owner}, ${roles.reader}`));
});

async function run(database: TestDatabase, sql: string): Promise<void> {
  await database.sql.unsafe(
    sql
      .replaceAll(":database", database.name)
      .replace(/:(owner|reader)\b/g, (_all, role: "owner" | "reader") => roles[role]),
  );
}

/** What a comparison says, with the roles' names as the plants have them. */
function linesOf({ differences }: Pick<Comparison, "differences">): readonly string[] {
  return differences.map((difference) =>
    describeDifference(difference)
      .replaceAll(roles.owner, ":owner")
      .replaceAll(roles.reader, ":reader"),
  );
}

const NOTHING = { differences: [], warnings: [] };

describe("a database that is as expected", () => {
  test("has no differences", async () => {
    const [expected, found] = await Promise.all([readCatalog(shop), readCatalog(copy)]);
    expect(compareCatalogs(expected, found)).toEqual(NOTHING);
    expect(planCatalog(found, expected)).toEqual({ statements: [], remaining: [] });
  });

  test("is read by a role that may only connect, as its superuser reads it", async () => {
    const reader = urlOfDatabase(shop.name, { user: roles.reader, password: "reader" });
    const [expected, found] = await Promise.all([readCatalog(shop), readCatalog({ url: reader })]);
    expect(compareCatalogs(expected, found)).toEqual(NOTHING);
  });
});

describe("made in another way", () => {
  let differing: readonly string[];
  const schemaOf = (index: number) => `twin_${index}`;

  beforeAll(async () => {
    const [one, other] = await Promise.all([createDatabase(), createDatabase()]);
    try {
      for (const [index, twin] of TWINS.entries()) {
        const begin = `create schema ${schemaOf(index)}; set search_path = ${schemaOf(index)};`;
        await run(one, begin + twin.one);
        await run(other, begin + twin.other);
      }
      // What cannot stand in a transaction.
      for (const database of [one, other]) await run(database, "create table public.t (a integer)");
      await run(one, "create index t_a_idx on public.t (a)");
      await run(other, "create index concurrently t_a_idx on public.t (a)");
      const [expected, found] = await Promise.all([readCatalog(one), readCatalog(other)]);
      differing = linesOf(compareCatalogs(expected, found));
    } finally {
      await Promise.all([one.drop(), other.drop()]);
    }
  });

  test.each(TWINS.map(({ what }, index) => ({ what, schema: schemaOf(index) })))(
    "$what: no difference",
    ({ schema }) => {
      expect(differing.filter((line) => line.includes(`${schema}.`))).toEqual([]);
    },
  );

  test("an index that was built concurrently: no difference, and nothing else is", () => {
    expect(differing).toEqual([]);
  });
});

describe("planted", () => {
  let expected: Catalog;
  let planted: Catalog;
  let comparison: Comparison;

  beforeAll(async () => {
    for (const { sql } of PLANTS) await run(copy, sql);
    [expected, planted] = await Promise.all([
      readCatalog({ ...shop, ...LEFT_OUT }),
      readCatalog({ ...copy, ...LEFT_OUT }),
    ]);
    comparison = compareCatalogs(expected, planted);
  });

  test.each(PLANTS)("$what: found and named", ({ said }) => {
    const lines = linesOf(comparison);
    expect(lines.filter((line) => said.includes(line))).toHaveLength(said.length);
  });

  test("nothing else is found", () => {
    expect(linesOf(comparison).toSorted()).toEqual(PLANTS.flatMap(({ said }) => said).toSorted());
  });

  test("the other way round, what was not expected is missing", () => {
    const back = compareCatalogs(planted, expected).differences;
    const mirrored = { missing: "unexpected", unexpected: "missing", different: "different" };
    expect(back.map(({ name, change }) => [name, change])).toEqual(
      comparison.differences.map(({ name, change }) => [name, mirrored[change]]),
    );
  });

  test("kinds that are compared by name only are a warning", () => {
    expect(comparison.warnings.map(({ message }) => message)).toEqual([
      "Compared only by name, not by definition: operator: shop.===(integer,integer).",
      "Compared only by name, not by definition: text search configuration: shop.words.",
    ]);
  });

  test("the planned statements undo all but what they say remains", async () => {
    const plan = planCatalog(planted, expected);
    const stays = PLANTS.filter((plant) => plant.stays).flatMap(({ said }) => said);
    expect(plan.statements).toContainEqual({
      sql: 'ALTER TABLE "shop"."users" DROP COLUMN "phone"',
      losesData: true,
      transaction: "inside",
    });
    await copy.sql.begin(async (sql) => {
      for (const statement of plan.statements) await sql.unsafe(statement.sql);
    });
    const after = compareCatalogs(expected, await readCatalog({ ...copy, ...LEFT_OUT }));
    expect(linesOf(after).toSorted()).toEqual(stays.toSorted());
    expect(plan.remaining.map(({ name }) => name)).toEqual(
      after.differences.map(({ name }) => name),
    );
  });
});

test("statements are planned from nothing to the project's own schema, and back", async () => {
  const leaveOut = ["tidemark"];
  const [migrated, built] = await Promise.all([
    createDatabase({ template: "migrated" }),
    createDatabase(),
  ]);
  try {
    const full = await readCatalog({ ...migrated, leaveOut });
    const empty = await readCatalog({ ...built, leaveOut });
    for (const [from, to] of [
      [empty, full],
      [full, empty],
    ] as const) {
      const { statements, remaining } = planCatalog(from, to);
      expect(remaining).toEqual([]);
      await built.sql.begin(async (sql) => {
        for (const statement of statements) await sql.unsafe(statement.sql);
      });
      expect(compareCatalogs(to, await readCatalog({ ...built, leaveOut }))).toEqual(NOTHING);
    }
  } finally {
    await Promise.all([migrated.drop(), built.drop()]);
  }
});

test("an index that a failed concurrent build left INVALID is a difference", async () => {
  const [valid, invalid] = await Promise.all([createDatabase(), createDatabase()]);
  try {
    for (const database of [valid, invalid]) {
      await run(database, "create table t (a integer)");
    }
    await run(valid, "create unique index t_a_idx on t (a)");
    await run(invalid, "insert into t values (1), (1)");
    await expect(run(invalid, "create unique index concurrently t_a_idx on t (a)")).rejects.toThrow(
      "could not create unique index",
    );
    const [expected, found] = await Promise.all([readCatalog(valid), readCatalog(invalid)]);
    expect(linesOf(compareCatalogs(expected, found))).toEqual([
      "index public.t_a_idx: usable: expected yes, found no: INVALID",
    ]);
  } finally {
    await Promise.all([valid.drop(), invalid.drop()]);
  }
});

describe("a catalog that cannot be read", () => {
  const failureOf = async (url: string) => {
    try {
      await readCatalog({ url });
    } catch (error) {
      if (error instanceof CatalogError) return { code: error.code, message: error.message };
      throw error;
    }
    throw new Error("it was read");
  };

  /** While a catalog's table is locked away: who reads it waits. */
  const withLockedCatalog = <T>(work: () => Promise<T>): Promise<T> =>
    shop.sql.begin(async (sql) => {
      await sql`lock table pg_catalog.pg_publication`;
      return work();
    }) as Promise<T>;

  test("nobody listens there: says where, and what to do", async () => {
    const { code, message } = await failureOf("postgres://ada:secret@127.0.0.1:1/shop");
    expect({ code, message }).toEqual({
      code: "connect",
      message: expect.stringMatching(
        /^Cannot connect to postgres:\/\/ada@127\.0\.0\.1:1\/shop: .*ECONNREFUSED/,
      ),
    });
  });

  test("the server refuses a query: says which error", async () => {
    const reader = urlOfDatabase(shop.name, { user: roles.reader, password: "reader" });
    await onServer((admin) => admin.ask(`alter role ${roles.reader} set lock_timeout = '10ms'`));
    const failure = await withLockedCatalog(() => failureOf(reader));
    await onServer((admin) => admin.ask(`alter role ${roles.reader} reset lock_timeout`));
    expect(failure).toEqual({
      code: "unreadable",
      message: expect.stringMatching(
        /^The server refused to show its catalog: canceling statement due to lock timeout \(SQLSTATE 55P03\)\.\nNothing was compared\./,
      ),
    });
  });

  test("the connection dies: nothing is read on another one", async () => {
    const failure = await withLockedCatalog(async () => {
      const reading = failureOf(shop.url);
      await vi.waitUntil(async () => {
        const rows = await shop.sql`
          select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'tidemark-catalog' and wait_event_type = 'Lock'
            and datname = current_database()`;
        return rows.length > 0;
      });
      return reading;
    });
    expect(failure.code).toBe("unreadable");
    expect(failure.message).toContain("Nothing was compared.");
  });

  test("a URL that is none: says so without showing it", async () => {
    const { code, message } = await failureOf("postgres://ada:sec ret@[nowhere");
    expect(code).toBe("config");
    expect(message).not.toContain("sec");
  });
});
