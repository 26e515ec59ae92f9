import { cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative, resolve } from "node:path";
import { messageOf } from "../base/problem.ts";
import {
  type CodeFile,
  compiledText,
  loadHistory,
  MigrateError,
  type Tag,
} from "../migrate/index.ts";

export interface BuiltSteps {
  /** The folder that was written. */
  readonly out: string;
  readonly steps: readonly { readonly tag: Tag; readonly file: string }[];
}

/**
 * Copies a migrations folder with its code steps compiled, each to one `.mjs` that needs no TypeScript: what it
 * imports by a relative path is inside, packages stay outside. TypeScript is not copied.
 *
 * @throws MigrateError `usage`, `config` (no esbuild), `history_invalid`
 */
export async function buildSteps(options: {
  readonly cwd: string;
  readonly dir: string;
  readonly out: string;
}): Promise<BuiltSteps> {
  const { cwd, dir, out } = options;
  refuseSameFolder(dir, out);
  const { migrations } = await loadHistory(dir);
  const withCode = migrations.flatMap(({ tag, code }) =>
    code === undefined ? [] : [{ tag, code }],
  );
  // Only where there is something to compile.
  const esbuild = withCode.length > 0 ? loadEsbuild(cwd) : undefined;
  const sources = new Set(withCode.map(({ code }) => resolve(code.file)));
  await mkdir(out, { recursive: true });
  for (const name of await readdir(dir, { recursive: true })) {
    const from = join(dir, name);
    if (/\.[mc]?ts$/.test(name) || sources.has(resolve(from))) continue;
    await cp(from, join(out, name), { recursive: false }).catch(async (error: unknown) => {
      // A folder: its files come by themselves.
      if ((error as { readonly code?: string }).code !== "ERR_FS_EISDIR") throw error;
      await mkdir(join(out, name), { recursive: true });
    });
  }
  const steps: { readonly tag: Tag; readonly file: string }[] = [];
  for (const { tag, code } of withCode) {
    const file = join(out, relative(dir, code.file)).replace(/\.[mc]?[jt]s$/, ".mjs");
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, await compiled(esbuild, code));
    steps.push({ tag, file });
  }
  return { out, steps };
}

/** What is used of esbuild. */
interface Esbuild {
  readonly build: (options: object) => Promise<{
    readonly outputFiles: readonly { readonly text: string }[];
  }>;
}

async function compiled(esbuild: Esbuild | undefined, code: CodeFile): Promise<string> {
  if (esbuild === undefined || code.path === undefined) throw new TypeError("nothing to compile");
  try {
    const { outputFiles } = await esbuild.build({
      entryPoints: [code.path],
      ...{ bundle: true, write: false, packages: "external", logLevel: "silent" },
      ...{ platform: "node", format: "esm", target: "node20" },
    });
    return compiledText(code, outputFiles[0]?.text ?? "");
  } catch (cause) {
    throw new MigrateError({
      code: "history_invalid",
      fact: `${code.file} cannot be compiled: ${messageOf(cause)}`,
      outcome: "nothing-written",
      remedy: "Correct the file, then run this again.",
      cause,
    });
  }
}

/** The project's own, or the one that its drizzle-kit has brought. */
function loadEsbuild(cwd: string): Esbuild {
  const project = createRequire(join(cwd, "package.json"));
  try {
    return project("esbuild") as Esbuild;
  } catch (first) {
    try {
      return createRequire(project.resolve("drizzle-kit"))("esbuild") as Esbuild;
    } catch {
      throw new MigrateError({
        code: "config",
        fact: `esbuild, which compiles code steps, is not installed in ${cwd}.`,
        outcome: "nothing-written",
        remedy: "Install it with npm install --save-dev esbuild.",
        cause: first,
      });
    }
  }
}

function refuseSameFolder(dir: string, out: string): void {
  const within = relative(resolve(dir), resolve(out));
  if (within !== "" && within.startsWith("..")) return;
  throw new MigrateError({
    code: "usage",
    fact: `--out ${out} is ${within === "" ? "the migrations folder itself" : `inside ${basename(dir)}`}.`,
    outcome: "nothing-written",
    remedy: "Name a folder beside it: the sources stay where they are.",
  });
}
