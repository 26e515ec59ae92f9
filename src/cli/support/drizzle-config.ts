import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { messageOf } from "../../db/base/problem.ts";
import { MigrateError } from "../../db/migrate/index.ts";

const NAMES = ["ts", "mts", "cts", "js", "mjs", "cjs", "json"].map(
  (end) => `drizzle.config.${end}`,
);

/** Path of the project's drizzle configuration; undefined if it has none. */
export function findDrizzleConfig(cwd: string): string | undefined {
  return NAMES.map((name) => join(cwd, name)).find((file) => existsSync(file));
}

/**
 * The named drizzle configuration, else the project's own.
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
    outcome: "nothing-run",
    remedy:
      "Write drizzle.config.ts, with `dialect`, `schema` and `out`, or name another with --config.",
  });
}

/** What a drizzle configuration sets about migrations. */
export interface DrizzleConfig {
  readonly out?: string;
  /** `migrations`: where drizzle's own migrator keeps its table. */
  readonly drizzleTable: { readonly schema?: string; readonly table?: string };
}

/**
 * Reads a drizzle configuration.
 *
 * @throws MigrateError `config` where the file cannot be read or run
 */
export async function readDrizzleConfig(file: string): Promise<DrizzleConfig> {
  try {
    const text = await readFile(file, "utf8");
    if (file.endsWith(".json")) return parsedConfig(JSON.parse(text));
    return plainConfig(text) ?? parsedConfig(await evaluate(file));
  } catch (cause) {
    throw new MigrateError({
      code: "config",
      // The rest is a stack of files that the reader does not know.
      fact: `${file} cannot be read: ${messageOf(cause).split("\n")[0]}`,
      outcome: "nothing-run",
      remedy: "Correct it, or name the migrations folder with --dir.",
      cause,
    });
  }
}

const PLAIN_OUT = /^[^/\n]*\bout\s*:\s*(["'])([^"'\\\n]+)\1\s*(?:,|\}|$)/m;
// As a key, and as part of a path (`out: "./db/migrations"`) not.
const MIGRATIONS = /\bmigrations\b(?!["'/])/g;
const PLAIN_MIGRATIONS =
  /^[^/\n]*\bmigrations\s*:\s*\{\s*((?:(?:table|schema)\s*:\s*(["'])[^"'\\\n]+\2\s*,?\s*)+)\}/m;

/**
 * The configuration if the file states it once, in plain literals and outside comments: running a
 * TypeScript file costs more than the rest of a run with nothing pending.
 */
export function plainConfig(text: string): DrizzleConfig | undefined {
  if (text.includes("/*") || (text.match(/\bout\b/g) ?? []).length !== 1) return undefined;
  // A spread, or a function of the project, may set anything.
  if (text.includes("...")) return undefined;
  if (/\bexport\s+default\s+(?!defineConfig\b)\w+\s*\(/.test(text)) return undefined;
  const out = PLAIN_OUT.exec(text)?.[2];
  if (out === undefined) return undefined;
  const named = text.match(MIGRATIONS) ?? [];
  if (named.length === 0) return { out, drizzleTable: {} };
  const settings = PLAIN_MIGRATIONS.exec(text)?.[1];
  if (named.length > 1 || settings === undefined) return undefined;
  const value = (key: string) => new RegExp(`\\b${key}\\s*:\\s*(["'])(.+?)\\1`).exec(settings)?.[2];
  return { out, drizzleTable: tableOf({ schema: value("schema"), table: value("table") }) };
}

async function evaluate(file: string): Promise<unknown> {
  const { createJiti } = await import("jiti");
  // drizzle-kit knows the project's path aliases too.
  const jiti = createJiti(file, { moduleCache: false, tsconfigPaths: true });
  return jiti.import(file, { default: true });
}

function parsedConfig(config: unknown): DrizzleConfig {
  const { out, migrations } = (config ?? {}) as { out?: unknown; migrations?: unknown };
  const drizzleTable = tableOf((migrations ?? {}) as { schema?: unknown; table?: unknown });
  return { ...(typeof out === "string" && { out }), drizzleTable };
}

function tableOf({ schema, table }: { readonly schema?: unknown; readonly table?: unknown }) {
  return {
    ...(typeof schema === "string" && { schema }),
    ...(typeof table === "string" && { table }),
  };
}
