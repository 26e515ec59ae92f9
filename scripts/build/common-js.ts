import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Metafile, transform } from "esbuild";

/** Where a file of CommonJS lies. */
const OWN_URL = "ownUrl";
const OWN_URL_BANNER = `const ${OWN_URL} = require("node:url").pathToFileURL(__filename).href;`;

/**
 * Writes what the entries load, file by file, as CommonJS below `cjs`: the entries go on sharing their
 * modules, and load what is imported on demand when it is needed.
 *
 * @param entries paths below `outDir`
 */
export async function writeCommonJs(
  { outputs }: Metafile,
  { outDir, entries }: { readonly outDir: string; readonly entries: readonly string[] },
): Promise<void> {
  const byPath = new Map(
    Object.entries(outputs).map(([path, output]) => [join(process.cwd(), path), output]),
  );
  const seen = new Set<string>();
  const pending = entries.map((entry) => join(outDir, entry));
  for (const path of pending) {
    if (seen.has(path)) continue;
    seen.add(path);
    for (const { path: imported, external } of byPath.get(path)?.imports ?? []) {
      if (external !== true) pending.push(join(process.cwd(), imported));
    }
  }
  await Promise.all(
    [...seen].map(async (path) => {
      const file = join(outDir, "cjs", path.slice(outDir.length));
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, await asCommonJs(await readFile(path, "utf8")));
    }),
  );
  await writeFile(join(outDir, "cjs", "package.json"), `{ "type": "commonjs" }\n`);
}

async function asCommonJs(text: string): Promise<string> {
  const source = text
    .replace(/^\/\/# sourceMappingURL=.*$/m, "")
    // A path of the user's, which only an `import()` of Node's own reads as what it is.
    .replaceAll("import(nativeUrl)", "nativeImport(nativeUrl)");
  const { code } = await transform(source, {
    format: "cjs",
    platform: "node",
    target: "node20.19",
    // `require` in its place: what bundles or mocks CommonJS follows that.
    supported: { "dynamic-import": false },
    ...(source.includes("import.meta.url") && {
      define: { "import.meta.url": OWN_URL },
      banner: OWN_URL_BANNER,
    }),
  });
  return code.replaceAll("nativeImport(nativeUrl)", "import(nativeUrl)");
}
