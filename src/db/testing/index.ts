import postgres from "postgres";
import { messageOf, throwAfter } from "../base/problem.ts";
import { DatabaseMigrator, driverUrl, replaceDatabase, type Tag } from "../migrate/index.ts";
import { type Admin, withAdmin } from "./admin.ts";
import { dropDatabase, markDatabase } from "./databases.ts";
import { serverError, TestDatabaseError } from "./errors.ts";
import { newTestName } from "./marks.ts";
import { findServer, type Server } from "./server.ts";
import { dropAllTemplates } from "./sweep.ts";
import { createMigrated, type TemplateRequest } from "./template.ts";

export { TestDatabaseError, type TestDatabaseErrorCode } from "./errors.ts";

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
  /** Drops it, whoever is connected; gives the embedded server back. Idempotent. */
  readonly drop: () => Promise<void>;
  /** As `drop`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

/**
 * Creates a database of the test's own, migrated. The migrations run once: they make a template
 * on the server, and each call copies it. Any number of processes may call at once.
 *
 * What a migration does outside its database (roles) is the server's, as always; what it does to
 * the database as a whole (`alter database … set`, `grant … on database`) stays with the template.
 *
 * @throws TestDatabaseError; MigrateError where the migrations cannot be read or fail;
 * EmbeddedServerError
 */
export async function createTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const server = await findServer(options.url);
  const name = newTestName();
  try {
    const request = requestOf(server, options);
    await withAdmin(server.url, (admin) => create(admin, name, request, options.seed));
  } catch (error) {
    await throwAfter(error, server.release);
  }
  let dropped: Promise<void> | undefined;
  const drop = () => {
    dropped ??= dropFrom(server, name);
    return dropped;
  };
  return { url: replaceDatabase(server.url, name), name, drop, [Symbol.asyncDispose]: drop };
}

/**
 * Drops the templates that `createTestDatabase` left on a server for the next run. Without this
 * call they are dropped once they were not used for a day.
 *
 * @throws TestDatabaseError, EmbeddedServerError
 */
export async function dropTestTemplates(options: TestServerOptions = {}): Promise<void> {
  const server = await findServer(options.url);
  try {
    await withAdmin(server.url, async (admin) => {
      await explained("The templates cannot be dropped", admin, () => dropAllTemplates(admin));
    });
  } finally {
    await server.release();
  }
}

function requestOf(
  server: Server,
  { dir, ledgerSchema, to }: TestDatabaseOptions,
): TemplateRequest {
  const migrator = {
    ...(dir !== undefined && { dir }),
    ...(ledgerSchema !== undefined && { ledgerSchema }),
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
  await explained("A test database cannot be created", admin, async () => {
    await createMigrated(admin, name, request);
    await markDatabase(admin, name);
  });
  if (seed === undefined) return;
  try {
    await runSeed(replaceDatabase(admin.url, name), seed);
  } catch (error) {
    await throwAfter(error, () => dropDatabase(admin, name));
  }
}

async function dropFrom(server: Server, name: string): Promise<void> {
  try {
    await withAdmin(server.url, async (admin) => {
      await explained(`${name} cannot be dropped`, admin, () => dropDatabase(admin, name));
    });
  } finally {
    await server.release();
  }
}

async function runSeed(url: string, seed: string): Promise<void> {
  const target = driverUrl(url);
  const sql = postgres(target.url, {
    ...target.options,
    max: 1,
    fetch_types: false,
    onnotice: () => undefined,
  });
  try {
    // Without parameters: the simple protocol, all statements in one transaction.
    await sql.unsafe(seed);
  } catch (cause) {
    throw new TestDatabaseError({
      code: "seed_failed",
      fact: `The seed failed: ${messageOf(cause)}.`,
      remedy: "Its database was dropped. The seed must fit the schema as `to` leaves it.",
      cause,
    });
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Says what the server's refusal means here. */
async function explained(what: string, admin: Admin, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw serverError(what, admin, error);
  }
}
