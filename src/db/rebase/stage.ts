import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { exists } from "../base/files.ts";
import { MigrateError, withParts } from "../migrate/index.ts";

/**
 * Works on a folder of these files, elsewhere; it is removed at the end.
 *
 * @param shown the folder that it stands for, which errors name
 */
export async function withStage<T>(
  shown: string,
  files: ReadonlyMap<string, string>,
  work: (dir: string) => Promise<T>,
): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), "tidemark-rebase-"));
  const dir = join(root, "drizzle");
  try {
    await mkdir(dir);
    for (const [path, text] of files) {
      await mkdir(dirname(join(dir, path)), { recursive: true });
      await writeFile(join(dir, path), text);
    }
    // What code steps import is found from here as from there.
    const modules = await nearestModules(resolve(shown));
    if (modules !== undefined) await symlink(modules, join(root, "node_modules"));
    return await work(dir);
  } catch (error) {
    if (!(error instanceof MigrateError)) throw error;
    const named = (text: string) => text.replaceAll(dir, shown);
    throw withParts(error, { fact: named(error.fact), remedy: named(error.remedy) });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function nearestModules(from: string): Promise<string | undefined> {
  const folder = join(from, "node_modules");
  if (await exists(folder)) return folder;
  const above = dirname(from);
  return above === from ? undefined : nearestModules(above);
}
