/**
 * `npm run build [-- <folder>]`: the types, and the JavaScript in a few files. A process
 * that finds nothing to do spends most of its time loading; fifty small modules cost
 * a tenth of it.
 */
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";

/** What `bin` and `exports` of package.json point at. */
const ENTRIES = ["src/cli/main.ts", "src/db/migrate/index.ts", "src/db/testing.ts"];

const outDir = resolve(process.argv[2] ?? "dist");
await rm(outDir, { recursive: true, force: true });
await Promise.all([emitTypes(), bundle()]);

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

async function bundle(): Promise<void> {
  await build({
    entryPoints: ENTRIES,
    outdir: outDir,
    outbase: "src",
    bundle: true,
    packages: "external",
    // What is imported when it is needed stays a file of its own.
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    format: "esm",
    platform: "node",
    target: "node20.19",
    sourcemap: "linked",
    logLevel: "warning",
  });
}
