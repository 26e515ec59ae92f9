import type { Stats } from "node:fs";
import { chmod, copyFile, link, lstat, mkdir, readdir, readlink, symlink } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../base/problem.ts";

/** Copies a folder's content so that everybody can read it, by hard links where possible. */
export async function copyTree(from: string, to: string): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true });
  await Promise.all(
    entries.map(async (entry) => {
      const source = join(from, entry.name);
      const target = join(to, entry.name);
      if (entry.isDirectory()) {
        await mkdir(target);
        await copyTree(source, target);
        await chmod(target, 0o755);
      } else if (entry.isSymbolicLink()) {
        await symlink(await readlink(source), target);
      } else {
        await copyOrLink(source, target);
      }
    }),
  );
}

async function copyOrLink(source: string, target: string): Promise<void> {
  const stats = await lstat(source);
  const mode = (stats.mode & 0o100) === 0 ? 0o644 : 0o755;
  if (isFitToShare(stats, mode)) {
    try {
      await link(source, target);
      return;
    } catch (error) {
      // Another file system, or one without hard links.
      if (!["EXDEV", "EPERM", "EMLINK", "ENOTSUP"].includes(errorCode(error) ?? "")) throw error;
    }
  }
  await copyFile(source, target);
  await chmod(target, mode);
}

/** A link shares the file's owner and mode: it must be root's, and readable by everybody. */
function isFitToShare(stats: Stats, mode: number): boolean {
  return stats.uid === 0 && (stats.mode & 0o777) === mode;
}
