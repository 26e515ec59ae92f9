import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
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
    /** Folder of `npm run build`'s output, made from the sources as they are. */
    readonly build: string;
    /** URL of the compiled engine's index. */
    readonly builtEngine: string;
  }
}

/** One server for the whole run, a migrated template on it, and a compiled engine. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const build = await buildSources();
  const server = await startTestServer();
  project.provide("build", build);
  project.provide("builtEngine", pathToFileURL(join(build, "db/migrate/index.js")).href);
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
    await rm(build, { recursive: true, force: true });
  };
}

/**
 * Compiles the sources, so that the runners in processes of their own start as fast as
 * users' do. Below the project, where the packages are found.
 */
async function buildSources(): Promise<string> {
  await mkdir(".tidemark", { recursive: true });
  const outDir = await mkdtemp(resolve(".tidemark/build-"));
  try {
    await promisify(execFile)(process.execPath, ["--import", "tsx", "scripts/build.ts", outDir]);
  } catch (error) {
    await rm(outDir, { recursive: true, force: true });
    throw error;
  }
  return outDir;
}
