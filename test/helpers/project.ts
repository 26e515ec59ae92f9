import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type CliResult, tidemark } from "./cli.ts";
import { journalOf } from "./history.ts";

/** A project of somebody else's: a folder in which `tidemark` is typed. */
export interface Project {
  readonly root: string;
  /** Writes a file, and the folders above it. */
  readonly write: (file: string, text: string | Uint8Array) => Promise<void>;
  /** Writes `drizzle/meta/_journal.json`: which migrations there are, in which order. */
  readonly list: (tags: readonly string[]) => Promise<void>;
  readonly delete: (file: string) => Promise<void>;
  /** Types a command there, with nothing but this in the environment. */
  readonly run: (
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
    /** Ends it with SIGTERM. */
    stop?: AbortSignal,
  ) => Promise<CliResult>;
  readonly remove: () => Promise<void>;
}

/** A project without files; with migrations, in the object's order, where they are given. */
export async function createProject(
  migrations?: Readonly<Record<string, string>>,
): Promise<Project> {
  const root = await mkdtemp(join(tmpdir(), "tidemark-project-"));
  const write = async (file: string, text: string | Uint8Array) => {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), text);
  };
  const list = (tags: readonly string[]) => write("drizzle/meta/_journal.json", journalOf(tags));
  if (migrations !== undefined) {
    for (const [tag, sql] of Object.entries(migrations)) await write(`drizzle/${tag}.sql`, sql);
    await list(Object.keys(migrations));
  }
  return {
    root,
    write,
    list,
    delete: (file) => rm(join(root, file)),
    run: (args, env = {}, stop) => tidemark(args, { cwd: root, env, ...(stop && { stop }) }),
    remove: () => rm(root, { recursive: true, force: true }),
  };
}
