import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { errorCode } from "../../base/problem.ts";
import { setNotNull } from "../../steps/set-not-null.ts";
import { CODE_KIND } from "./definition.ts";

const TYPESCRIPT = /\.[mc]?ts$/;

/**
 * Runs a module and returns its default export: TypeScript by Node's own type stripping where that can, else by
 * jiti.
 *
 * @param version of its code: a module that was edited since is loaded again
 * @throws whatever it throws
 */
export async function importDefault(path: string, version: string): Promise<unknown> {
  if (!TYPESCRIPT.test(path)) return importNatively(path, version);
  if (!stripsTypes()) return importByJiti(path);
  return importNatively(path, version).catch((error: unknown) => {
    if (!isBeyondNode(error)) throw error;
    return importByJiti(path);
  });
}

/**
 * What TypeScript knows and Node does not. None of the module has run then: modules are linked first. A SyntaxError is
 * how Node says that an import is missing, which may be of a type that is not told as one.
 */
function isBeyondNode(error: unknown): boolean {
  return error instanceof SyntaxError || BEYOND_NODE.has(errorCode(error) ?? "");
}

/** Enums, imports without an ending, of `.js` that is `.ts`, of JSON, of TypeScript in a package. */
const BEYOND_NODE: ReadonlySet<string> = new Set([
  "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX",
  "ERR_MODULE_NOT_FOUND",
  "ERR_UNSUPPORTED_DIR_IMPORT",
  "ERR_IMPORT_ATTRIBUTE_MISSING",
  "ERR_UNKNOWN_FILE_EXTENSION",
  "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING",
]);

async function importNatively(path: string, version: string): Promise<unknown> {
  const nativeUrl = `${pathToFileURL(path).href}?${version}`;
  // In the package's CommonJS this stays an `import()`: the build knows it by the name of what it is given.
  const { default: exported } = (await import(nativeUrl)) as { readonly default?: unknown };
  return exported;
}

async function importByJiti(path: string): Promise<unknown> {
  const { createJiti } = await import("jiti");
  const jiti = createJiti(path, {
    ...{ moduleCache: false, interopDefault: false },
    virtualModules: standIns(path),
  });
  return (await jiti.import<{ readonly default?: unknown }>(path)).default;
}

/** A project need not have the package that runs it: what defines code is a few lines. */
function standIns(path: string): Record<string, unknown> {
  try {
    createRequire(path).resolve("tidemark/steps");
    return {};
  } catch {
    const defineStep = (step: object) => ({ ...step, [CODE_KIND]: "step" });
    const defineBackfill = (backfill: object) => ({ ...backfill, [CODE_KIND]: "backfill" });
    return { "tidemark/steps": { defineStep, defineBackfill, setNotNull } };
  }
}

function stripsTypes(): boolean {
  const { typescript } = process.features as { readonly typescript?: false | string };
  return typescript === "strip" || typescript === "transform";
}

/**
 * Loads a package as `require` does from where a file is; where it is not found from there, from where we are.
 *
 * @throws what `require` throws
 */
export function requireFrom(path: string | undefined, name: string): unknown {
  const own = createRequire(import.meta.url);
  if (path === undefined) return own(name);
  const from = createRequire(path);
  try {
    from.resolve(name);
  } catch {
    return own(name);
  }
  return from(name);
}
