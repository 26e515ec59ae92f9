import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, onTestFinished } from "vitest";
import { type AppProcess, startApp } from "./app-process.ts";
import { createDatabase, type TestDatabase } from "./database.ts";
import { journalOf, THREE } from "./history.ts";

export interface AppFixture {
  /** An empty database of the test's own. */
  readonly database: TestDatabase;
  /** Its migrations, below the working folder. */
  readonly dir: string;
  /** Writes the release that the processes are of. */
  readonly release: (migrations: Readonly<Record<string, string>>) => Promise<void>;
  /** Starts the application on the database; it ends with the test. */
  readonly start: (env?: Readonly<Record<string, string>>, args?: readonly string[]) => AppProcess;
}

/** For each test of a file a database, and a folder with three migrations to start the application in. */
export function useApp(): AppFixture {
  let database: TestDatabase;
  let root: string;

  beforeEach(async () => {
    database = await createDatabase();
    root = await mkdtemp(join(tmpdir(), "tidemark-app-"));
    await release(THREE);
  });
  afterEach(async () => {
    await rm(root, { recursive: true, force: true });
    await database.drop();
  });

  async function release(migrations: Readonly<Record<string, string>>) {
    await mkdir(join(root, "drizzle/meta"), { recursive: true });
    for (const [tag, sql] of Object.entries(migrations)) {
      await writeFile(join(root, "drizzle", `${tag}.sql`), sql);
    }
    await writeFile(join(root, "drizzle/meta/_journal.json"), journalOf(Object.keys(migrations)));
  }

  return {
    get database() {
      return database;
    },
    get dir() {
      return join(root, "drizzle");
    },
    release,
    start: (env = {}, args = []) => {
      const app = startApp(root, { DATABASE_URL: database.url, ...env }, args);
      onTestFinished(() => {
        app.child.kill("SIGKILL");
      });
      return app;
    },
  };
}
