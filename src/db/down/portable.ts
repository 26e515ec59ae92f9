import { identifier } from "../base/quote.ts";

/**
 * Planned statements that mean the same on another server. The plan's worker, a role of the scratch
 * server, owns everything and has all rights there; elsewhere that is the role that runs the file,
 * which owns what it makes anyway.
 *
 * @param worker role that the plan was made as
 */
export function portable(statements: readonly string[], worker: string): readonly string[] {
  const name = identifier(worker);
  return statements
    .filter((sql) => !isOwnRights(sql, name))
    .map((sql) =>
      sql
        .replace(` FOR ROLE ${name}`, "")
        .replace(` AUTHORIZATION ${name}`, "")
        // PostgreSQL 17 has the privilege MAINTAIN, which 16 does not know.
        .replace(ALL_PRIVILEGES, "GRANT ALL ON "),
    );
}

const ALL_PRIVILEGES =
  "GRANT DELETE, INSERT, MAINTAIN, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON ";

function isOwnRights(sql: string, name: string): boolean {
  if (sql.startsWith("ALTER ")) return sql.endsWith(` OWNER TO ${name}`);
  return (
    /^(GRANT|REVOKE) /.test(sql) &&
    [` TO ${name}`, ` FROM ${name}`].some((end) => sql.endsWith(end))
  );
}
