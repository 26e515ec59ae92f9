import { onServer, type TestDatabase, urlOfDatabase } from "./database.ts";

export interface TestRole {
  readonly name: string;
  /** The test's database, as this role. */
  readonly url: string;
  /** Drops it; what it owns in the test's database is the superuser's then. */
  readonly drop: () => Promise<void>;
}

/**
 * A role that may migrate the test's database.
 *
 * @param attributes as in `create role`, e.g. `connection limit 1`
 * @param settings of its own, as in `alter role … set …`
 */
export async function createMigratingRole(
  { name: database, sql }: TestDatabase,
  attributes: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<TestRole> {
  const name = `migrating_${database}`;
  await onServer(async (admin) => {
    await admin.ask(`create role ${name} login password 'pw' ${attributes}`);
    await admin.ask(`grant create on database ${database} to ${name}`);
    for (const [setting, value] of Object.entries(settings)) {
      await admin.ask(`alter role ${name} set ${setting} = ${value}`);
    }
  });
  await sql.unsafe(`grant all on schema public to ${name}`);
  return {
    name,
    url: urlOfDatabase(database, { user: name, password: "pw" }),
    drop: async () => {
      await sql.unsafe(`reassign owned by ${name} to current_user; drop owned by ${name}`);
      await onServer((admin) => admin.ask(`drop role ${name}`));
    },
  };
}
