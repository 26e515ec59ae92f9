import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { MigrateError } from "../../db/migrate/index.ts";

const NAMES = ["ts", "mts", "cts", "js", "mjs", "cjs", "json"].map(
  (end) => `drizzle.config.${end}`,
);

/** Path of the project's drizzle configuration; undefined where it has none. */
export function findDrizzleConfig(cwd: string): string | undefined {
  return NAMES.map((name) => join(cwd, name)).find((file) => existsSync(file));
}

/**
 * The drizzle configuration that was named, else the project's own.
 *
 * @throws MigrateError `config` where there is none
 */
export function requireDrizzleConfig(cwd: string, named: string | undefined): string {
  const file = named === undefined ? findDrizzleConfig(cwd) : resolve(cwd, named);
  if (file !== undefined && existsSync(file)) return file;
  throw new MigrateError({
    code: "config",
    fact:
      file === undefined
        ? `There is no drizzle configuration in ${cwd}.`
        : `There is no drizzle configuration ${file}.`,
    remedy:
      "Nothing was run. Write drizzle.config.ts, with `dialect`, `schema` and `out`, or name another with --config.",
  });
}

/**
 * `out` of a drizzle configuration; undefined where it sets none.
 *
 * @throws MigrateError `config` where the file cannot be read or run
 */
export async function readOut(file: string): Promise<string | undefined> {
  try {
    const text = await readFile(file, "utf8");
    if (file.endsWith(".json")) return outOf(JSON.parse(text));
    return plainOut(text) ?? outOf(await evaluate(file));
  } catch (cause) {
    throw new MigrateError({
      code: "config",
      fact: `${file} cannot be read: ${firstLine(cause)}`,
      remedy: "Nothing was run. Correct it, or name the migrations folder with --dir.",
      cause,
    });
  }
}

/**
 * `out` where the file says it once, as a plain literal and in no comment: running a
 * TypeScript file costs more than all else that a run with nothing to do needs.
 */
export function plainOut(text: string): string | undefined {
  if (text.includes("/*") || (text.match(/\bout\b/g) ?? []).length !== 1) return undefined;
  return /^[^/\n]*\bout\s*:\s*(["'])([^"'\\\n]+)\1\s*(?:,|\}|$)/m.exec(text)?.[2];
}

/** Behind it come stacks of files that are none of the reader's. */
function firstLine(error: unknown): string {
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  return line;
}

async function evaluate(file: string): Promise<unknown> {
  const { createJiti } = await import("jiti");
  // drizzle-kit knows the project's path aliases too.
  const jiti = createJiti(file, { moduleCache: false, tsconfigPaths: true });
  return jiti.import(file, { default: true });
}

function outOf(config: unknown): string | undefined {
  const { out } = (config ?? {}) as { out?: unknown };
  return typeof out === "string" ? out : undefined;
}
