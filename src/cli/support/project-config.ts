import { existsSync } from "node:fs";
import { basename, dirname, isAbsolute, relative, resolve } from "node:path";
import { loadDotEnv } from "../../config.ts";
import { MigrateError, settingsError, type TidemarkSettings } from "../../db/migrate/index.ts";
import { type DrizzleConfig, findDrizzleConfig, readDrizzleConfig } from "./drizzle-config.ts";
import { readTidemarkKey } from "./tidemark-key.ts";

/** Options that say where the project is. */
export interface ProjectFlags {
  readonly dir?: string;
  readonly config?: string;
}

/** The project that a command is for. */
export interface ProjectConfig {
  /** The migrations folder, relative to the working folder if that is shorter. */
  readonly dir: string;
  /** As messages name the configuration; undefined where there is none. */
  readonly file: string | undefined;
  readonly drizzle: DrizzleConfig;
  /** Its key `tidemark`. */
  readonly settings: TidemarkSettings;
  /** What a person should know of, each a sentence. */
  readonly warnings: readonly string[];
}

/**
 * Reads the project's configuration: the one of `--config`, else the one of the working folder.
 * With `--dir` alone, one that is for another folder, or cannot be read, does not count.
 *
 * @param needs `database`: its `dbCredentials` are wanted too, for which it may have to be run
 * @throws MigrateError `config`
 */
export async function readProject(
  flags: ProjectFlags,
  needs: "folder" | "database",
): Promise<ProjectConfig> {
  // The configuration may read its variables, as drizzle-kit lets it.
  loadDotEnv();
  const cwd = process.cwd();
  const { dir, config } = flags;
  const path = config === undefined ? findDrizzleConfig(cwd) : resolve(config);
  if (path === undefined) return withoutConfig(dir ?? "drizzle");
  if (dir !== undefined && config === undefined) {
    const found = await readDrizzleConfig(path, needs).catch(() => undefined);
    const isOther = found === undefined || resolve(outOf(found)) !== resolve(dir);
    return isOther ? withoutConfig(dir) : projectOf(path, found, dir);
  }
  const drizzle = await readDrizzleConfig(path, needs);
  return projectOf(path, drizzle, dir);
}

function withoutConfig(dir: string): ProjectConfig {
  return { dir, file: undefined, drizzle: { drizzleTable: {} }, settings: {}, warnings: [] };
}

function projectOf(path: string, drizzle: DrizzleConfig, dir: string | undefined): ProjectConfig {
  const cwd = process.cwd();
  const file = relative(cwd, path).startsWith("..") ? path : relative(cwd, path);
  const problems: string[] = [];
  const settings = readTidemarkKey(drizzle.tidemark, file, problems);
  if (problems.length > 0) throw settingsError(problems);
  const warnings = dir === undefined ? outWarnings(file, path, outOf(drizzle)) : [];
  const shown = relative(cwd, resolve(outOf(drizzle))) || ".";
  return { dir: dir ?? shown, file, drizzle, settings, warnings };
}

function outOf({ out }: DrizzleConfig): string {
  return out ?? "drizzle";
}

/**
 * drizzle-kit takes `out` from the working folder, wherever the file is.
 *
 * @throws MigrateError `config` where the folder is only beside the file
 */
function outWarnings(file: string, path: string, out: string): readonly string[] {
  const here = resolve(out);
  const beside = resolve(dirname(path), out);
  if (isAbsolute(out) || here === beside || !existsSync(beside)) return [];
  const besideShown = relative(process.cwd(), beside) || ".";
  if (existsSync(here)) {
    return [
      `\`out\` of ${file} is taken from the working folder, as drizzle-kit does: ${relative(process.cwd(), here) || "."}. ` +
        `There is ${besideShown} too, beside the file.`,
    ];
  }
  throw new MigrateError({
    code: "config",
    fact: `\`out\` of ${file} is ${JSON.stringify(out)}, which drizzle-kit takes from the working folder: ${here} does not exist, but ${beside} does.`,
    outcome: "nothing-run",
    remedy: `Run the command in ${dirname(path)} (with --config ${basename(path)}), or write ${JSON.stringify(besideShown)} as \`out\`; most commands also take --dir ${besideShown}.`,
  });
}
