import { identifier, literal } from "../base/quote.ts";
import type { Admin } from "../server/admin.ts";

export interface ActingRole {
  readonly name: string;
  /** Of `ALTER ROLE … SET`, as `pg_roles.rolconfig` has them. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Names of all roles but the predefined ones. */
export async function listRoles(admin: Admin): Promise<readonly string[]> {
  const rows = await admin.ask<{ rolname: string }>(
    "select rolname from pg_roles where rolname not like 'pg\\_%' order by rolname",
  );
  return rows.map(({ rolname }) => rolname);
}

/** Creates those of the roles that are missing. */
export async function createRoles(admin: Admin, names: readonly string[]): Promise<void> {
  const there = new Set(await listRoles(admin));
  for (const name of names.filter((wanted) => !there.has(wanted))) {
    await admin.ask(`create role ${identifier(name)}`);
  }
}

export async function dropRoles(admin: Admin, names: readonly string[]): Promise<void> {
  for (const name of names) await admin.ask(`drop role if exists ${identifier(name)}`);
}

/** Makes it a superuser that may log in, and creates it if it is missing. */
export async function empower(
  admin: Admin,
  { name, settings = {} }: ActingRole,
  password: string,
): Promise<void> {
  const { role: acting = name } = settings;
  await createRoles(admin, [name, acting]);
  await admin.ask(`alter role ${identifier(acting)} superuser`);
  const role = `alter role ${identifier(name)}`;
  await admin.ask(
    `${role} superuser login connection limit -1 valid until 'infinity' password ${literal(password)}`,
  );
  for (const [setting, value] of Object.entries(settings)) {
    // A list has the quotes that it needs.
    const text = setting === "search_path" ? value : literal(value);
    await admin.ask(`${role} set ${identifier(setting)} = ${text}`);
  }
}
