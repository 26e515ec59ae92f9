import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";
import { createTestDatabase, dropTestTemplates } from "../../src/db/testing/index.ts";
import { startTestServer } from "./test-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A superuser's URL of the test server, database `postgres`. */
    readonly serverUrl: string;
    /** Folder of `npm run build`'s output, made from the sources as they are. */
    readonly build: string;
    /** URL of the compiled engine's index. */
    readonly builtEngine: string;
  }
}

/** One server for the whole run, the template of our own migrations on it, and a compiled engine. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const build = await buildSources();
  const server = await startTestServer();
  project.provide("build", build);
  project.provide("builtEngine", pathToFileURL(join(build, "db/migrate/index.js")).href);
  project.provide("serverUrl", server.url);
  try {
    // The first to need the template would wait for it, within a test's time.
    await (await createTestDatabase({ url: server.url })).drop();
  } catch (error) {
    await server.stop();
    await rm(build, { recursive: true, force: true });
    throw error;
  }
  return async () => {
    // A server that was given to us is left as it was.
    await dropTestTemplates({ url: server.url });
    await server.stop();
    for (const folder of [build, `${build}-types`])
      await rm(folder, { recursive: true, force: true });
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
    const build = ["--import", "tsx", "scripts/build.ts", "--no-types", outDir];
    await promisify(execFile)(process.execPath, build);
  } catch (error) {
    await rm(outDir, { recursive: true, force: true });
    throw error;
  }
  return outDir;
}
