import { identifier } from "../base/quote.ts";

/**
 * SQL that makes a column NOT NULL: by a CHECK that is validated in a transaction of its own, so that no lock that
 * stops readers or writers is held while the table is read. Source: postgresql.org/docs/current/sql-altertable.html,
 * "SET NOT NULL".
 */
export function setNotNull(table: string, column: string): readonly string[] {
  const name = identifier(`tidemark_${column}_not_null`);
  const quoted = identifier(column);
  return [
    `alter table ${table} add constraint ${name} check (${quoted} is not null) not valid`,
    `alter table ${table} validate constraint ${name}`,
    `alter table ${table} alter column ${quoted} set not null`,
    `alter table ${table} drop constraint ${name}`,
  ];
}
