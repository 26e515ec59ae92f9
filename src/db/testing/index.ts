import { replaceDatabase } from "../base/address.ts";
import { messageOf, throwAfter } from "../base/problem.ts";
import { DatabaseMigrator, type Tag } from "../migrate/index.ts";
import { type Admin, withAdmin } from "../server/admin.ts";
import { dropDatabase, dropTemplate, listMarked, markDatabase } from "../server/databases.ts";
import { newTestName } from "../server/marks.ts";
import { findServer, type TestServer } from "./find-server.ts";
import { createMigrated, type TemplateRequest } from "./template.ts";
import { refused, TestDatabaseError, unreachable } from "./test-database-error.ts";

export { TestDatabaseError, type TestDatabaseErrorCode } from "./test-database-error.ts";

export interface TestServerOptions {
  /**
   * A database of the server to work on, `postgres://user:password@host:5432/postgres`, as a role
   * that may create databases. Default: `TEST_DATABASE_URL`, else an embedded PostgreSQL below
   * `.tidemark/test`. The application's `DATABASE_URL` is never looked at.
   */
  readonly url?: string;
}

export interface TestDatabaseOptions extends TestServerOptions {
  /** drizzle-kit's output folder. Default `./drizzle`. */
  readonly dir?: string;
  /** Last migration to apply; all of them when absent. To test one, stop at the one before it. */
  readonly to?: Tag;
  /** Schema of the ledger. Default `tidemark`. */
  readonly ledgerSchema?: string;
  /** SQL to run on the new database, in one transaction: the rows that the test needs. */
  readonly seed?: string;
}

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  /**
   * Applies what is pending up to a migration, SQL and code steps; all of it where none is named.
   *
   * @returns the tags that it applied
   * @throws MigrateError
   */
  readonly migrateTo: (tag?: Tag) => Promise<readonly Tag[]>;
  /** Drops it, even while others are connected; gives the embedded server back. Idempotent. */
  readonly drop: () => Promise<void>;
  /** As `drop`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

/**
 * Creates a database of the test's own, migrated. The migrations run once: they make a template
 * on the server, and each call copies it. Any number of processes may call at once.
 *
 * A migration's effects outside its database (roles) are the server's, as always; its effects on
 * the database as a whole (`alter database … set`, `grant … on database`) stay with the template.
 *
 * @throws TestDatabaseError; MigrateError where the migrations cannot be read or fail;
 * EmbeddedServerError
 */
export async function createTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const server = await findServer(options.url);
  const name = newTestName();
  try {
    const request = requestOf(server, options);
    await onServer(server.url, (admin) => create(admin, name, request, options.seed));
  } catch (error) {
    await throwAfter(error, server.release);
  }
  let dropped: Promise<void> | undefined;
  const drop = () => {
    dropped ??= dropOn(server, `${name} cannot be dropped`, (admin) => dropDatabase(admin, name));
    return dropped;
  };
  const url = replaceDatabase(server.url, name);
  const migrateTo = async (to?: Tag) => {
    const { migrator } = requestOf(server, options);
    // The template may hold what its test put there.
    const report = await new DatabaseMigrator({ ...migrator, url }).migrate({
      to,
      allowExisting: true,
    });
    return report.applied.map(({ tag }) => tag);
  };
  return { url, name, migrateTo, drop, [Symbol.asyncDispose]: drop };
}

/**
 * Drops the templates that `createTestDatabase` left on a server for the next run. Without this
 * call they are dropped once they were not used for a day.
 *
 * @throws TestDatabaseError, EmbeddedServerError
 */
export async function dropTestTemplates(options: TestServerOptions = {}): Promise<void> {
  const server = await findServer(options.url);
  await dropOn(server, "The templates cannot be dropped", async (admin) => {
    for (const { name } of await listMarked(admin, ["template"])) await dropTemplate(admin, name);
  });
}

function requestOf(
  server: TestServer,
  { dir, ledgerSchema, to }: TestDatabaseOptions,
): TemplateRequest {
  const migrator = {
    ...(dir !== undefined && { dir }),
    ...(ledgerSchema !== undefined && { ledgerSchema }),
    // What a worker would do later is done.
    runBackgroundBackfills: true,
  };
  // Refuses what cannot be used, the URL too, before anything connects.
  return { migrator, reader: new DatabaseMigrator({ ...migrator, url: server.url }), to };
}

async function create(
  admin: Admin,
  name: string,
  request: TemplateRequest,
  seed: string | undefined,
): Promise<void> {
  try {
    await createMigrated(admin, name, request);
    await markDatabase(admin, name);
  } catch (error) {
    throw refused("A test database cannot be created", admin, error);
  }
  if (seed === undefined) return;
  try {
    await runSeed(replaceDatabase(admin.url, name), seed);
  } catch (error) {
    await throwAfter(error, () => dropDatabase(admin, name));
  }
}

/** Drops something, then gives the server back. */
async function dropOn(
  server: TestServer,
  failed: string,
  drop: (admin: Admin) => Promise<void>,
): Promise<void> {
  try {
    await onServer(server.url, async (admin) => {
      await drop(admin).catch((error: unknown) => {
        throw refused(failed, admin, error);
      });
    });
  } finally {
    await server.release();
  }
}

function onServer(url: string, work: (admin: Admin) => Promise<void>): Promise<void> {
  return withAdmin({ url, unreachable: (cause) => unreachable(url, cause) }, work);
}

async function runSeed(url: string, seed: string): Promise<void> {
  try {
    // One message of the simple protocol: all its statements run in one transaction.
    await withAdmin({ url }, (session) => session.ask(seed));
  } catch (cause) {
    throw new TestDatabaseError({
      code: "seed_failed",
      fact: `The seed failed: ${messageOf(cause)}.`,
      remedy: "Its database was dropped. The seed must fit the schema that `to` leaves.",
      cause,
    });
  }
}
