/**
 * `npm run build [-- [--no-types] <folder>]`: the types, and the JavaScript in a few files. A process
 * that finds nothing to do spends most of its time loading; fifty small modules cost
 * a tenth of it.
 */
import { cp, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type BuildOptions, build, type Metafile } from "esbuild";
import { writeCommonJs } from "./build/common-js.ts";
import { grammarInside } from "./build/grammar.ts";
import { LIBRARY, writeTypes } from "./build/types.ts";

/** What `bin` points to. */
const COMMAND = "src/cli/main.ts";

/** MIT: their licences go where their code goes. */
const INSIDE = ["@babel/parser", "@supabase/pg-delta", "libpg-query"];

const { values, positionals } = parseArgs({
  options: { "no-types": { type: "boolean", default: false } },
  allowPositionals: true,
});
const outDir = resolve(positionals[0] ?? "dist");
/** Both bundles. */
const COMMON = {
  outdir: outDir,
  outbase: "src",
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  sourcemap: "linked",
  logLevel: "warning",
  plugins: [grammarInside],
} satisfies BuildOptions;

await rm(outDir, { recursive: true, force: true });
await Promise.all([
  values["no-types"] ? undefined : writeTypes(outDir),
  bundlePackage().then((metafile) =>
    writeCommonJs(metafile, {
      outDir,
      entries: LIBRARY.map((entry) => entry.replace(/^src\//, "").replace(/\.ts$/, ".js")),
    }),
  ),
  bundleApp(),
]);

/**
 * What the package's users import and run. What it depends on, they install; the grammar and what compares
 * catalogs come with it, in files that are loaded when they are needed.
 */
async function bundlePackage(): Promise<Metafile> {
  const { metafile } = await build({
    ...COMMON,
    entryPoints: [COMMAND, ...LIBRARY],
    metafile: true,
    external: [...(await dependencies())],
    // What is imported when it is needed stays a file of its own.
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
  });
  for (const name of INSIDE) {
    const licence = `${name.split("/").at(-1)}.LICENSE`;
    await cp(`node_modules/${name}/LICENSE`, join(outDir, "chunks", licence));
  }
  return metafile;
}

/**
 * The application, bundled with what only it needs: users of the package do not install that.
 * What reads files beside itself stays outside.
 */
async function bundleApp(): Promise<void> {
  await build({
    ...COMMON,
    entryPoints: ["src/main.ts"],
    external: [...(await dependencies()), "pino-pretty"],
    // Argon2 is native: the one of this platform goes beside the bundle.
    loader: { ".node": "copy" },
    assetNames: "[name]",
    // The logger is CommonJS, and requires what Node has.
    banner: {
      js: 'import { createRequire as createRequireOfApp } from "node:module"; const require = createRequireOfApp(import.meta.url);',
    },
  });
}

async function dependencies(): Promise<readonly string[]> {
  const text = await readFile("package.json", "utf8");
  return Object.keys((JSON.parse(text) as { dependencies: object }).dependencies);
}
