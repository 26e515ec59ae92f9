import { createRequire } from "node:module";
import { messageOf } from "../../db/base/problem.ts";

/**
 * Runs a configuration and returns its default export.
 *
 * @throws whatever it throws; where the path aliases of its tsconfig could not be read, that too
 */
export async function evaluate(file: string): Promise<unknown> {
  const { createJiti } = await import("jiti");
  const options = { moduleCache: false, virtualModules: standIns(file) };
  const load = (tsconfigPaths: boolean) =>
    createJiti(file, { ...options, tsconfigPaths }).import(file, { default: true });
  // drizzle-kit knows the project's path aliases too.
  const aliases = await attempt(() => createJiti(file, { ...options, tsconfigPaths: true }));
  if (aliases === undefined) return load(true);
  // A tsconfig that extends a missing file: few configurations need its aliases.
  try {
    return await load(false);
  } catch (cause) {
    throw new Error(`${messageOf(cause).split("\n")[0]} (and its tsconfig: ${aliases})`, { cause });
  }
}

/** What is thrown, in words. */
async function attempt(work: () => unknown): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** In production drizzle-kit is often not installed, and `defineConfig` returns what it is given. */
function standIns(file: string): Record<string, unknown> {
  try {
    createRequire(file).resolve("drizzle-kit");
    return {};
  } catch {
    return { "drizzle-kit": { defineConfig: <Config>(config: Config) => config } };
  }
}
