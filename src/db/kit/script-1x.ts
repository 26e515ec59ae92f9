import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { MARK } from "./hook.ts";
import type { Delta } from "./snapshots.ts";

/** What the process says; it waits for a reply each time. */
export type FunctionsMessage =
  /** The configuration cannot be read, or drizzle-kit not be loaded; nothing was called. */
  | {
      readonly type: "unreadable";
      readonly what: "configuration" | "drizzle-kit";
      readonly message: string;
    }
  | { readonly type: "configured"; readonly dialect: unknown }
  /** What a function of drizzle-kit returned. */
  | {
      readonly type: "returned";
      readonly envelope: Envelope;
      /** What the migration that it wrote changes; undefined if it wrote none, or a first one. */
      readonly deltas?: readonly Delta[];
    };

/** What it is told. */
export type FunctionsReply =
  | {
      readonly call: "generate" | "exportSql";
      readonly options: object;
      /** Removes the migration that the last call wrote. */
      readonly undo?: boolean;
    }
  | { readonly end: true };

/** What the functions of `drizzle-kit/cli` return. */
export type Envelope =
  | {
      readonly status: "ok";
      readonly migration_path?: string;
      readonly statements?: readonly string[];
    }
  | { readonly status: "no_changes" }
  | { readonly status: "missing_hints"; readonly unresolved: readonly Unresolved[] }
  | {
      readonly status: "error";
      readonly error: { readonly code: string } & Readonly<Record<string, unknown>>;
    };

export interface Unresolved {
  readonly type: string;
  readonly kind: string;
  readonly entity: readonly string[];
}

/**
 * A configuration like the project's, with another folder: drizzle-kit takes no folder beside a
 * configuration. Text, not a module: drizzle-kit imports it.
 */
export function configScript(config: string, out: string): string {
  const jiti = createRequire(import.meta.url).resolve("jiti");
  return `import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
const file = ${JSON.stringify(config)};
const load = async () => {
  if (file.endsWith(".json")) return JSON.parse(await readFile(file, "utf8"));
  if (/\\.[cm]?ts$/.test(file)) {
    const { createJiti } = createRequire(import.meta.url)(${JSON.stringify(jiti)});
    return createJiti(file, { moduleCache: false, tsconfigPaths: true }).import(file, { default: true });
  }
  const loaded = await import(${JSON.stringify(pathToFileURL(config).href)});
  return loaded.default ?? loaded;
};
export default { ...(await load()), out: ${JSON.stringify(out)} };
`;
}

/**
 * The script that calls drizzle-kit's functions as it is told. Text, not a module: it must not depend
 * on how this file is compiled. All decisions are the parent's.
 *
 * @param settings paths of `drizzle-kit/cli`, of the configuration, and of the folder that this names
 */
export function functionsScript(settings: {
  readonly functions: string;
  readonly config: string;
  readonly out: string;
}): string {
  return `import { readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
const settings = ${JSON.stringify(settings)};
const request = (message) =>
  new Promise((resolve) => {
    process.once("message", resolve);
    process.send({ ${MARK}: true, ...message });
  });

const load = async (what, work) => {
  try {
    return await work();
  } catch (error) {
    await request({ type: "unreadable", what, message: String(error?.message ?? error) });
    return process.exit(1);
  }
};
const { default: config } = await load("configuration", () => import(pathToFileURL(settings.config).href));
const functions = await load("drizzle-kit", () => createRequire(import.meta.url)(settings.functions));
let reply = await request({ type: "configured", dialect: config.dialect });
let written;
while (reply.call !== undefined) {
  if (reply.undo) await rm(join(settings.out, basename(dirname(written))), { recursive: true });
  const envelope = await functions[reply.call]({ config: settings.config, ...reply.options });
  written = envelope.migration_path;
  const message = { type: "returned", envelope };
  if (written !== undefined) {
    const snapshot = JSON.parse(await readFile(join(dirname(written), "snapshot.json"), "utf8"));
    message.deltas = snapshot.deltas;
  }
  reply = await request(message);
}
// Nothing that a schema file opened (a database, a timer) must keep the process alive.
process.exit();
`;
}
