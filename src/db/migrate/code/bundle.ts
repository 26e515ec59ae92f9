import { dirname, extname, join, relative } from "node:path";
import { readIfThere, readText, withoutBom } from "../../base/files.ts";
import { errorCode } from "../../base/problem.ts";
import { canonical } from "./canonical.ts";
import { type Import, importsOf } from "./imports.ts";
import { type CodeText, codeError, parseCode } from "./parse-code.ts";

/**
 * What a file of code does, with all that it imports by a relative path, in the order in which it does. Packages
 * count by their names, and where files lie does not count at all.
 *
 * @param code the entry, with its path
 * @throws MigrateError `history_invalid`: a syntax error, a relative import that is not there
 */
export async function bundledText(code: CodeText & { readonly path: string }): Promise<string> {
  const numbers = new Map([[code.path, 0]]);
  const parts: string[] = [];
  const pending: (CodeText & { readonly path: string })[] = [code];
  for (const module of pending) {
    if (!/\.[mc]?[jt]s$/.test(module.path)) {
      parts.push(JSON.stringify(module.text.replaceAll("\r\n", "\n")));
      continue;
    }
    const tree = await parseCode(module);
    const found = new Map<string, string>();
    for (const one of importsOf(tree)) {
      const path = await resolved(module, one);
      if (!numbers.has(path)) {
        numbers.set(path, numbers.size);
        const text = withoutBom(await readText(path));
        const file = join(dirname(module.file), relative(dirname(module.path), path));
        pending.push({ path, file, text });
      }
      found.set(one.source, `module ${numbers.get(path)}`);
    }
    parts.push(canonical(tree, (source) => found.get(source)));
  }
  return parts.join("\n");
}

const TYPESCRIPT_OF: Readonly<Record<string, string>> = {
  ".js": ".ts",
  ".mjs": ".mts",
  ".cjs": ".cts",
};
const ENDINGS = [".ts", ".mts", ".js", ".mjs", ".cjs", ".cts", ".json"];

/** The file that a relative import names, as TypeScript and jiti find it. */
async function resolved(from: CodeText & { readonly path: string }, one: Import): Promise<string> {
  const path = join(dirname(from.path), one.source.replace(/\?.*$/, ""));
  const ending = extname(path);
  const typed = TYPESCRIPT_OF[ending];
  const candidates = [
    path,
    ...(typed === undefined ? [] : [path.slice(0, -ending.length) + typed]),
    ...ENDINGS.map((end) => path + end),
    ...ENDINGS.map((end) => join(path, `index${end}`)),
  ];
  for (const candidate of candidates) if (await isFile(candidate)) return candidate;
  throw codeError(from, one.offset, `imports ${one.source}, which does not exist`, {
    remedy: "Restore the file, or correct the import, then run again.",
  });
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await readIfThere(path)) !== undefined;
  } catch (error) {
    if (errorCode(error) === "EISDIR" || errorCode(error) === "ENOTDIR") return false;
    throw error;
  }
}
