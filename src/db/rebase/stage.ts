import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** Works on a folder of these files, elsewhere; it is removed at the end. */
export async function withStage<T>(
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
    return await work(dir);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
