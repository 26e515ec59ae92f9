import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";

const IMPORTED = /(?<=\b(?:from |import |import\())"(\.[^"]*)\.ts"/g;

/** What `exports` in package.json points to, as ES modules and as CommonJS. */
export const LIBRARY = [
  "src/db/drizzle/index.ts",
  "src/db/migrate/index.ts",
  "src/db/steps/index.ts",
  "src/db/testing/index.ts",
];

/**
 * Writes the declarations of the library, and of what it names, for the ES modules and for CommonJS. They are the
 * same: whether a folder holds the ones or the others, its package.json says.
 */
export async function writeTypes(outDir: string): Promise<void> {
  const folders = [outDir, join(outDir, "cjs")];
  const emitted = await mkdtemp(join(tmpdir(), "tidemark-types-"));
  try {
    await emit(emitted);
    const seen = new Set<string>();
    const pending = LIBRARY.map((entry) => entry.replace(/^src\//, "").replace(/\.ts$/, ""));
    for (const name of pending) {
      if (seen.has(name)) continue;
      seen.add(name);
      const text = await readFile(join(emitted, `${name}.d.ts`), "utf8");
      for (const [, path = ""] of text.matchAll(IMPORTED)) pending.push(join(dirname(name), path));
      // As every TypeScript reads it, and every `moduleResolution`.
      const portable = text.replaceAll(IMPORTED, '"$1.js"');
      for (const folder of folders) {
        const file = join(folder, `${name}.d.ts`);
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, portable);
      }
    }
  } finally {
    await rm(emitted, { recursive: true, force: true });
  }
}

async function emit(into: string): Promise<void> {
  const tsc = resolve("node_modules/typescript/bin/tsc");
  try {
    await promisify(execFile)(process.execPath, [
      tsc,
      ...["-p", "tsconfig.build.json", "--outDir", into],
    ]);
  } catch (error) {
    // The compiler reports on stdout.
    if (error instanceof Error && "stdout" in error) console.error(error.stdout);
    throw error;
  }
}
