import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const TYPESCRIPT = /\.[mc]?ts$/;

/**
 * Runs a module and returns its default export: TypeScript by Node's own type stripping where it has that,
 * else by jiti.
 *
 * @param version of its code: a module that was edited since is loaded again
 * @throws whatever it throws
 */
export async function importDefault(path: string, version: string): Promise<unknown> {
  if (TYPESCRIPT.test(path) && !stripsTypes()) {
    const { createJiti } = await import("jiti");
    const jiti = createJiti(path, { moduleCache: false, interopDefault: false });
    return (await jiti.import<{ readonly default?: unknown }>(path)).default;
  }
  const nativeUrl = `${pathToFileURL(path).href}?${version}`;
  // In the package's CommonJS this stays an `import()`: the build knows it by the name of what it is given.
  const { default: exported } = (await import(nativeUrl)) as { readonly default?: unknown };
  return exported;
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
