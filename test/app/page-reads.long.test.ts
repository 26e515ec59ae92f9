import { expect, onTestFinished, test } from "vitest";
import { createReader } from "../../src/app/reader.ts";
import { DatabaseMigrator, MigrateError } from "../../src/db/migrate/index.ts";
import { createDatabase } from "../helpers/database.ts";
import { tcpProxy } from "../helpers/network.ts";

test("a read whose answer is lost on the way ends for all who share it, and the next one is another", async () => {
  const database = await createDatabase({ template: "migrated" });
  onTestFinished(database.drop);
  const proxy = await tcpProxy(database.url);
  onTestFinished(proxy.close);
  const migrator = new DatabaseMigrator({ url: proxy.url, connectTimeoutMs: 1_000 });
  const reader = createReader(
    {
      boot: () => ({ kind: "ready", version: undefined, newer: false }),
      migrator: () => migrator,
      pool: () => undefined,
    },
    200,
  );
  const asked = await database.sql.begin(async (sql) => {
    await sql`lock table tidemark.runner in access exclusive mode`;
    const reads = [reader.status(), reader.status()];
    await expect
      .poll(
        () => database.sql`
          select from pg_locks join pg_database d on d.oid = database
          where not granted and datname = current_database()`,
        { timeout: 5_000 },
      )
      .toHaveLength(1);
    proxy.mute();
    return { reads };
  });
  for (const status of await Promise.all(asked.reads)) {
    expect(status).toBeInstanceOf(MigrateError);
    expect(status).toMatchObject({
      code: "connect",
      fact: "The database did not answer within 200 ms.",
    });
  }
  proxy.reset();
  reader.forget();
  expect(await reader.status()).toMatchObject({ pending: 0 });
});
