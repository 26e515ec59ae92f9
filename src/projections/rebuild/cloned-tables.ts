import { Column, type Table } from "drizzle-orm";
import { getTableConfig, type PgTable } from "drizzle-orm/pg-core";
import type { TableMap } from "../definition.ts";

// Where drizzle-orm keeps what a table is, under names that are registered for all of its copies.
const SCHEMA = Symbol.for("drizzle:Schema");
const COLUMN_MAPS = [Symbol.for("drizzle:Columns"), Symbol.for("drizzle:ExtraConfigColumns")];

/** A table by its name in the database. */
export interface TableName {
  readonly schema: string;
  readonly name: string;
}

export function namesOf(tables: TableMap): readonly TableName[] {
  return Object.values(tables).map((table) => {
    const { schema = "public", name } = getTableConfig(table);
    return { schema, name };
  });
}

/** The same tables in another schema: statements that are built with them name that one. */
export function inSchema(tables: TableMap, schema: string): TableMap {
  return Object.fromEntries(
    Object.entries(tables).map(([key, table]) => [key, cloneTable(table, schema)]),
  );
}

type Bag = Record<string | symbol, unknown>;

function cloneTable(table: PgTable, schema: string): PgTable {
  const clone = copyOf(table) as unknown as PgTable & Bag;
  const bag = clone as Bag;
  bag[SCHEMA] = schema;
  for (const symbol of COLUMN_MAPS) {
    const columns = bag[symbol];
    if (typeof columns === "object" && columns !== null)
      bag[symbol] = clonedColumns(columns, clone);
  }
  // The columns also stand on the table itself.
  const own = bag[COLUMN_MAPS[0] as symbol] as Bag;
  for (const key of Object.keys(clone)) {
    if (bag[key] instanceof Column) bag[key] = own[key];
  }
  return clone;
}

function clonedColumns(columns: object, table: Table): Bag {
  return Object.fromEntries(
    Object.entries(columns).map(([key, column]) => {
      const clone = copyOf(column as object);
      clone.table = table;
      return [key, clone];
    }),
  );
}

function copyOf(value: object): Bag {
  const descriptors = Object.getOwnPropertyDescriptors(value);
  return Object.create(Object.getPrototypeOf(value), descriptors) as Bag;
}
