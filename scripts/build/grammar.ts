import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";
import type { Plugin } from "esbuild";

/** Folder of the grammar: JavaScript, and a WebAssembly file that it looks for beside itself. */
const FOLDER = dirname(createRequire(import.meta.url).resolve("libpg-query"));
const GLUE = join(FOLDER, "libpg-query.js");

/** What the glue takes for Node's modules. */
const BUILTIN = "builtin-of-the-grammar";
const PACKED = "packed-grammar";

/**
 * Bundles libpg-query with its WebAssembly inside, compressed (1.7 MB become 0.3 MB, unpacked in 4 ms), so that
 * no file is looked for at run time: users bundle the package themselves, and their bundle has nothing beside it.
 */
export const grammarInside: Plugin = {
  name: "grammar-inside",
  setup(build) {
    build.onResolve({ filter: /^libpg-query$/ }, () => ({ path: join(FOLDER, "index.js") }));

    // Its own folder, and `require`, are not there in every format that users bundle to.
    build.onLoad({ filter: /libpg-query\.js$/ }, async ({ path }) => ({
      contents: `const __dirname = "";\n${await readFile(path, "utf8")}`,
    }));
    build.onResolve({ filter: /^node:/ }, ({ path, importer }) =>
      importer === GLUE ? { path, namespace: BUILTIN } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: BUILTIN }, ({ path }) => ({
      contents: path === "node:fs" ? FILES : `export * from "${path}";`,
      resolveDir: FOLDER,
    }));

    build.onResolve({ filter: new RegExp(`^${PACKED}$`) }, ({ path }) => ({
      path,
      namespace: PACKED,
    }));
    build.onLoad({ filter: /.*/, namespace: PACKED }, async () => ({
      contents: await packed(),
      loader: "binary",
    }));
  },
};

/** A file system that holds one file. */
const FILES = `
import { brotliDecompressSync } from "node:zlib";
import packed from "${PACKED}";
export { readSync } from "node:fs";
export const readFileSync = () => brotliDecompressSync(packed);
`;

async function packed(): Promise<Uint8Array> {
  const wasm = await readFile(join(FOLDER, "libpg-query.wasm"));
  return promisify(brotliCompress)(wasm, {
    params: { [constants.BROTLI_PARAM_SIZE_HINT]: wasm.length },
  });
}
