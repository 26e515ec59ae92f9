/**
 * SQL that makes a column NOT NULL: by a CHECK that is validated in a transaction of its own, so that no lock that
 * stops readers or writers is held while the table is read. Source: postgresql.org/docs/current/sql-altertable.html,
 * "SET NOT NULL".
 */
export function setNotNull(table: string, column: string): readonly string[] {
  const name = quote(`tidemark_${column}_not_null`);
  const quoted = quote(column);
  return [
    `alter table ${table} add constraint ${name} check (${quoted} is not null) not valid`,
    `alter table ${table} validate constraint ${name}`,
    `alter table ${table} alter column ${quoted} set not null`,
    `alter table ${table} drop constraint ${name}`,
  ];
}

// A step's file brings nothing of the engine with it.
function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
