import { randomBytes } from "node:crypto";
import postgres from "postgres";
import type { TestProject } from "vitest/node";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { startTestServer } from "./test-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A superuser's URL of the test server, database `postgres`. */
    readonly serverUrl: string;
    /** A database on which the project's own migrations were applied. */
    readonly migratedTemplate: string;
  }
}

/** One server for the whole run, and a migrated template on it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startTestServer();
  const template = `tidemark_template_${randomBytes(4).toString("hex")}`;
  const admin = postgres(server.url, { max: 1, onnotice: () => undefined });
  try {
    await admin.unsafe(`create database ${template}`);
    const url = new URL(server.url);
    url.pathname = `/${template}`;
    await new DatabaseMigrator({ url: url.href, dir: "drizzle" }).migrate();
    project.provide("serverUrl", server.url);
    project.provide("migratedTemplate", template);
  } catch (error) {
    await admin.end();
    await server.stop();
    throw error;
  }
  return async () => {
    await admin.unsafe(`drop database if exists ${template} with (force)`);
    await admin.end();
    await server.stop();
  };
}
