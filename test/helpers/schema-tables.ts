import { is } from "drizzle-orm";
import { getTableConfig, PgTable } from "drizzle-orm/pg-core";
import * as schema from "../../src/db/schema/index.ts";

export type TableConfig = ReturnType<typeof getTableConfig>;

/** Every table that the Drizzle schema exports: the source of what the tests expect. */
export const tables: readonly TableConfig[] = Object.values(schema)
  .filter((value) => is(value, PgTable))
  .map((table) => getTableConfig(table));

/** `schema.table` */
export function qualifiedName(table: TableConfig): string {
  return `${table.schema}.${table.name}`;
}

export interface ExpectedConstraint {
  readonly kind: "primary key" | "unique" | "check" | "foreign key";
  readonly table: string;
  readonly name: string;
}

export function expectedConstraints(table: TableConfig): readonly ExpectedConstraint[] {
  const of = (kind: ExpectedConstraint["kind"], names: readonly (string | undefined)[]) =>
    names.map((name) => ({ kind, table: qualifiedName(table), name: name ?? "(no name)" }));
  return [
    ...of(
      "primary key",
      table.primaryKeys.map((key) => key.getName()),
    ),
    ...of(
      "unique",
      table.uniqueConstraints.map((key) => key.getName()),
    ),
    ...of(
      "check",
      table.checks.map((check) => check.name),
    ),
    ...of(
      "foreign key",
      table.foreignKeys.map((key) => key.getName()),
    ),
  ];
}

export interface ExpectedIndex {
  readonly name: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly unique: boolean;
}

/** Those of keys included: a key is an index, too. */
export function expectedIndexes(table: TableConfig): readonly ExpectedIndex[] {
  const names = (columns: readonly object[]) =>
    columns.map((column) => ("name" in column ? String(column.name) : "(expression)"));
  const keys = [...table.primaryKeys, ...table.uniqueConstraints].map((key) => ({
    name: key.getName() ?? "(no name)",
    columns: names(key.columns),
    unique: true,
  }));
  const indexes = table.indexes.map(({ config }) => ({
    name: config.name ?? "(no name)",
    columns: names(config.columns),
    unique: config.unique,
  }));
  return [...keys, ...indexes].map((index) => ({ ...index, table: qualifiedName(table) }));
}
