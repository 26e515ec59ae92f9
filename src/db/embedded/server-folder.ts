import { chown, mkdir, rename, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { EmbeddedServerError } from "./embedded-error.ts";

/** The files of one embedded server. */
export interface Layout {
  readonly dir: string;
  readonly dataDir: string;
  readonly logFile: string;
  /** The port of the last start. */
  readonly portFile: string;
  /** Names the server that `keepEmbeddedServer` leaves running. */
  readonly keepFile: string;
}

/** Inside the data folder: the two are made together and are useless apart. */
export const PASSWORD_FILE = "tidemark.password";

/**
 * Works on a server's folder. Whatever the operating system refuses there, and no inner function
 * explains, becomes an EmbeddedServerError.
 */
export async function inLayout<T>(dir: string, work: (layout: Layout) => Promise<T>): Promise<T> {
  const root = resolve(dir);
  const layout: Layout = {
    dir: root,
    dataDir: join(root, "data"),
    logFile: join(root, "server.log"),
    portFile: join(root, "port"),
    keepFile: join(root, "keep"),
  };
  try {
    return await work(layout);
  } catch (cause) {
    if (cause instanceof Error && "syscall" in cause) {
      throw new EmbeddedServerError("folder_unusable", {
        fact: `The folder ${layout.dir} cannot be used: ${cause.message}`,
        remedy: "Run as the user who made it, or remove it.",
        cause,
      });
    }
    throw cause;
  }
}

/** Makes the folder, with a `.gitignore` of its own: a data folder must never be committed. */
export async function createLayout(layout: Layout): Promise<void> {
  const created = await mkdir(layout.dir, { recursive: true });
  if (created !== undefined) await writeFile(join(layout.dir, ".gitignore"), "*\n");
}

/** Replaces a small file of the folder atomically: a reader sees the old text or the new one. */
export async function writeLayoutFile(layout: Layout, file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, text);
  await giveToFolderOwner(layout, draft);
  await rename(draft, file);
}

/**
 * Gives a file that root made to the folder's owner, so that a command run once as root does not
 * lock its user out of the log and the port afterwards.
 */
export async function giveToFolderOwner(layout: Layout, file: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const owner = await stat(layout.dir);
  await chown(file, owner.uid, owner.gid);
}
