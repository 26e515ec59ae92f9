/**
 * Planned statements that mean the same on another server. What a scratch server's worker makes is
 * its own, with all rights: whoever runs the file is meant, who owns what it makes anyway.
 *
 * @param worker role that the plan was made as
 */
export function portable(statements: readonly string[], worker: string): readonly string[] {
  const name = `"${worker.replaceAll('"', '""')}"`;
  return statements
    .filter((sql) => !isOwnRights(sql, name))
    .map((sql) => sql.replace(` FOR ROLE ${name}`, "").replace(` AUTHORIZATION ${name}`, ""))
    .map(allPrivileges);
}

function isOwnRights(sql: string, name: string): boolean {
  if (sql.startsWith("ALTER ")) return sql.endsWith(` OWNER TO ${name}`);
  return /^(GRANT|REVOKE) /.test(sql) && new RegExp(` (TO|FROM) ${escaped(name)}$`).test(sql);
}

/** PostgreSQL 17 has a privilege that 16 does not know. */
function allPrivileges(sql: string): string {
  return sql.replace(
    "GRANT DELETE, INSERT, MAINTAIN, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON ",
    "GRANT ALL ON ",
  );
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
