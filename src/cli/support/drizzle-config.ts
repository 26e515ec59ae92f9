import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { messageOf } from "../../db/base/problem.ts";
import { MigrateError } from "../../db/migrate/index.ts";
import { type PlainReading, plainConfig } from "./config-text.ts";
import { evaluate } from "./evaluate-config.ts";

// drizzle-kit looks for the first three, in this order, and takes the others with --config.
const NAMES = ["ts", "js", "json", "mts", "cts", "mjs", "cjs"].map(
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
  readonly dialect?: unknown;
  readonly driver?: unknown;
  readonly dbCredentials?: unknown;
  /** Settings of ours. */
  readonly tidemark?: unknown;
  /** Why `dbCredentials` is not known, though the rest is: the file could not be run. */
  readonly unread?: string;
}

/**
 * Reads a drizzle configuration. One that cannot be run, and names its folder in plain words, is
 * `unread` in what it says of the database.
 *
 * @throws MigrateError `config` where the file cannot be read or run
 */
export async function readDrizzleConfig(
  file: string,
  needs: PlainReading["needs"],
): Promise<DrizzleConfig> {
  try {
    const text = await readFile(file, "utf8");
    if (file.endsWith(".json")) return parsedConfig(JSON.parse(text));
    const plain = plainConfig(text, { needs, env: process.env });
    if (plain !== undefined) return plain;
    return await evaluate(file).then(parsedConfig, (error: unknown) => {
      const folder = plainConfig(text);
      if (folder === undefined) throw error;
      return { ...folder, unread: firstLine(error) };
    });
  } catch (cause) {
    throw new MigrateError({
      code: "config",
      fact: `${file} cannot be read: ${firstLine(cause)}`,
      outcome: "nothing-run",
      remedy: "Correct it, or name the migrations folder with --dir.",
      cause,
    });
  }
}

/** The rest is a stack of files that the reader does not know. */
function firstLine(error: unknown): string {
  return messageOf(error).split("\n")[0] ?? "";
}

function parsedConfig(config: unknown): DrizzleConfig {
  const { out, migrations, dialect, driver, dbCredentials, tidemark } = (config ?? {}) as Readonly<
    Record<string, unknown>
  >;
  return {
    ...(typeof out === "string" && { out }),
    drizzleTable: tableOf((migrations ?? {}) as { schema?: unknown; table?: unknown }),
    ...{ dialect, driver, dbCredentials, tidemark },
  };
}

function tableOf({ schema, table }: { readonly schema?: unknown; readonly table?: unknown }) {
  return {
    ...(typeof schema === "string" && { schema }),
    ...(typeof table === "string" && { table }),
  };
}
