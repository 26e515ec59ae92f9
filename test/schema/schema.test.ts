import { is, SQL } from "drizzle-orm";
import { getTableConfig } from "drizzle-orm/pg-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DatabasePool, type Transaction } from "../../src/db/pool/index.ts";
import { createDatabase } from "../helpers/database.ts";
import { breakingRows } from "../helpers/schema-breaking-rows.ts";
import {
  readColumns,
  readConstraints,
  readForeignKeys,
  readIndexes,
} from "../helpers/schema-catalog.ts";
import { insertRow, type Row, validRow } from "../helpers/schema-rows.ts";
import {
  expectedConstraints,
  expectedIndexes,
  qualifiedName,
  tables,
} from "../helpers/schema-tables.ts";

let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: DatabasePool;

beforeAll(async () => {
  database = await createDatabase({ template: "migrated" });
  pool = new DatabasePool({ url: database.url });
});

afterAll(async () => {
  await pool?.close();
  await database?.drop();
});

const byName = (a: { readonly name: string }, b: { readonly name: string }) =>
  a.name < b.name ? -1 : 1;

class Undo extends Error {}

/** Runs `work` in a transaction that leaves nothing behind. */
async function inScratch(work: (transaction: Transaction) => Promise<void>): Promise<void> {
  const done = pool.transaction(async (transaction) => {
    await work(transaction);
    throw new Undo();
  });
  await expect(done).rejects.toBeInstanceOf(Undo);
}

/** The row that the foreign keys of `table` ask for. */
async function insertParents(transaction: Transaction, table: string, changes: Row = {}) {
  const config = tables.find((candidate) => qualifiedName(candidate) === table);
  for (const key of config?.foreignKeys ?? []) {
    const parent = qualifiedName(getTableConfig(key.reference().foreignTable));
    await insertRow(transaction, parent, validRow(parent, changes));
  }
}

describe("the catalog is what the Drizzle schema says", () => {
  test("tables, columns, types, NOT NULL, defaults, identities", async () => {
    const expected = tables.flatMap((table) =>
      table.columns.map((column) => ({
        table: qualifiedName(table),
        name: column.name,
        type: column.getSQLType(),
        notNull: column.notNull,
        hasDefault: column.hasDefault && column.generatedIdentity === undefined,
        identity: column.generatedIdentity === undefined ? "" : "a",
      })),
    );
    // Sorted here, the order of the columns kept: the server's order depends on its locale.
    const byTable = (a: { readonly table: string }, b: { readonly table: string }) =>
      a.table < b.table ? -1 : Number(a.table > b.table);
    expect([...(await readColumns(pool))].sort(byTable)).toEqual(expected.sort(byTable));
  });

  test("keys, uniques, checks and foreign keys, all validated", async () => {
    const expected = tables.flatMap(expectedConstraints).map((it) => ({ ...it, validated: true }));
    expect([...(await readConstraints(pool))].sort(byName)).toEqual(expected.sort(byName));
  });

  test("indexes: valid, on the right columns in the right order, whole, and no others", async () => {
    const expected = tables
      .flatMap(expectedIndexes)
      .map((index) => ({ ...index, usable: true, method: "btree", partial: false }));
    expect([...(await readIndexes(pool))].sort(byName)).toEqual(expected.sort(byName));
  });

  test("foreign keys: columns, parent, ON DELETE, and an index that begins with them", async () => {
    const expected = tables.flatMap((table) =>
      table.foreignKeys.map((key) => {
        const { columns, foreignColumns, foreignTable } = key.reference();
        const parent = tables.find((candidate) =>
          candidate.columns.some((column) => column.table === foreignTable),
        );
        return {
          name: key.getName(),
          columns: columns.map((column) => column.name),
          parent: parent && qualifiedName(parent),
          parentColumns: foreignColumns.map((column) => column.name),
          onDelete: key.onDelete ?? "no action",
          indexed: true,
        };
      }),
    );
    expect([...(await readForeignKeys(pool))].sort(byName)).toEqual(expected.sort(byName));
  });

  test("instance_id leads every key and every index", async () => {
    for (const { name, columns } of await readIndexes(pool)) {
      expect(columns[0], name).toBe("instance_id");
    }
  });

  test("no foreign key leads out of the event store or into it", async () => {
    const names = await pool.query(
      `select conname
       from pg_catalog.pg_constraint
       where contype = 'f'
         and 'eventstore'::regnamespace in (
           select relnamespace from pg_catalog.pg_class where oid in (conrelid, confrelid)
         )`,
    );
    expect(names).toEqual([]);
  });
});

describe("each table", () => {
  test.each(tables.map((table) => [qualifiedName(table), table] as const))(
    "%s takes a row with what must be given, and fills in the rest",
    (name, table) =>
      inScratch(async (transaction) => {
        await insertParents(transaction, name);
        const given = validRow(name);
        const row = await insertRow(transaction, name, given);
        for (const column of table.columns.filter((it) => !(it.name in given))) {
          const stored = row[column.name];
          if (!column.hasDefault) expect(stored, column.name).toBeNull();
          else if (is(column.default, SQL) || column.generatedIdentity)
            expect(stored).not.toBeNull();
          else expect(stored, column.name).toBe(column.default);
        }
      }),
  );

  const mandatory = tables.flatMap((table) =>
    table.columns.filter((column) => column.notNull).map((column) => [table, column] as const),
  );
  test.each(mandatory.map(([table, column]) => [qualifiedName(table), column.name] as const))(
    "%s refuses NULL in %s",
    (name, column) =>
      inScratch(async (transaction) => {
        await insertParents(transaction, name);
        const insert = insertRow(transaction, name, validRow(name, { [column]: null }));
        await expect(insert).rejects.toMatchObject({ code: "23502", column_name: column });
      }),
  );

  const domains = tables.flatMap((table) =>
    table.columns
      .filter((column) => column.enumValues)
      .map((column) => [qualifiedName(table), column.name, column.enumValues ?? []] as const),
  );
  test.each(domains)("%s takes every value of %s that the types allow", (name, column, values) =>
    inScratch(async (transaction) => {
      for (const [index, value] of values.entries()) {
        const instance = { instance_id: `i${index}` };
        await insertParents(transaction, name, instance);
        const row = await insertRow(
          transaction,
          name,
          validRow(name, { ...instance, [column]: value }),
        );
        expect(row[column]).toBe(value);
      }
    }),
  );
});

describe("each constraint refuses a row that breaks it", () => {
  test("every constraint of the Drizzle schema has such a row, and no other has", () => {
    const names = tables.flatMap(expectedConstraints).map(({ name }) => name);
    expect(Object.keys(breakingRows).sort()).toEqual(names.sort());
  });

  const cases = Object.entries(breakingRows).flatMap(([name, breaking]) =>
    breaking.rows.map((changes) => [name, changes, breaking] as const),
  );
  test.each(cases)("%s: %o", (name, changes, { table, sqlState, beside }) =>
    inScratch(async (transaction) => {
      await insertParents(transaction, table);
      if (beside) await insertRow(transaction, table, validRow(table, beside));
      const insert = insertRow(transaction, table, validRow(table, changes));
      const [schema, relation] = table.split(".");
      await expect(insert).rejects.toMatchObject({
        code: sqlState,
        constraint_name: name,
        schema_name: schema,
        table_name: relation,
      });
    }),
  );
});

// users:start
describe("referential integrity", () => {
  const children = tables.filter((table) => table.foreignKeys.length > 0);
  const cases = children.flatMap((table) =>
    table.foreignKeys.map((key) => [key.getName(), qualifiedName(table), key.onDelete] as const),
  );

  test.each(cases)("%s: %s goes with its user, and no other row does", (_, child, onDelete) =>
    inScratch(async (transaction) => {
      expect(onDelete).toBe("cascade");
      const others = [{ instance_id: "i2" }, { id: "u2" }];
      for (const user of [{}, ...others]) {
        await insertRow(transaction, "projections.users", validRow("projections.users", user));
      }
      for (const own of [{}, { instance_id: "i2" }, { user_id: "u2" }]) {
        await insertRow(transaction, child, validRow(child, own));
      }
      await transaction.query(
        "delete from projections.users where instance_id = 'i1' and id = 'u1'",
      );
      const left = await transaction.query(`select instance_id, user_id from ${child} order by 1`);
      expect(left).toEqual([
        { instance_id: "i1", user_id: "u2" },
        { instance_id: "i2", user_id: "u1" },
      ]);
    }),
  );

  test.each(cases)("%s: %s keeps its user's key from changing", (name, child) =>
    inScratch(async (transaction) => {
      await insertParents(transaction, child);
      await insertRow(transaction, child, validRow(child));
      const update = transaction.query("update projections.users set id = 'u2'");
      await expect(update).rejects.toMatchObject({ code: "23503", constraint_name: name });
    }),
  );

  test.each(cases)("%s: %s cannot be moved to a user that is not there", (name, child) =>
    inScratch(async (transaction) => {
      await insertParents(transaction, child);
      await insertRow(transaction, child, validRow(child));
      const update = transaction.query(`update ${child} set instance_id = 'i2'`);
      await expect(update).rejects.toMatchObject({ code: "23503", constraint_name: name });
    }),
  );
});
// users:end
