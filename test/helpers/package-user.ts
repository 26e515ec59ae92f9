import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { inject, vi } from "vitest";
import { writeTypes } from "../../scripts/build/types.ts";
import { copyPackages } from "./image.ts";

/** A project that has this package installed. */
export interface PackageUser {
  readonly dir: string;
  readonly remove: () => Promise<void>;
}

/** Below the checkout: all that the package and its user need besides it is found there. */
export async function installPackage(): Promise<PackageUser> {
  await mkdir(".tidemark", { recursive: true });
  return installBelow(resolve(".tidemark"));
}

/** In a place of its own, with what the package depends on and nothing else. */
export async function installPackageAlone(): Promise<PackageUser> {
  const user = await installBelow(tmpdir());
  await copyPackages(["--omit=dev"], user.dir);
  return user;
}

async function installBelow(folder: string): Promise<PackageUser> {
  const dir = await mkdtemp(join(folder, "user-"));
  const installed = join(dir, "node_modules/tidemark");
  await mkdir(installed, { recursive: true });
  await cp("package.json", join(installed, "package.json"));
  await cp(inject("build"), join(installed, "dist"), { recursive: true });
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

/** Lets its TypeScript know the package. */
export async function addTypes({ dir }: PackageUser): Promise<void> {
  await cp(await builtTypes(), join(dir, "node_modules/tidemark/dist"), { recursive: true });
}

/** Lets its TypeScript know Node.js. */
export async function linkNodeTypes({ dir }: Pick<PackageUser, "dir">): Promise<void> {
  await mkdir(join(dir, "node_modules/@types"), { recursive: true });
  await symlink(resolve("node_modules/@types/node"), join(dir, "node_modules/@types/node"));
}

export async function writeFiles(
  dir: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, file)), { recursive: true });
    await writeFile(join(dir, file), text);
  }
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, with nothing of ours in its environment. Never throws. */
export async function runIn(
  cwd: string,
  [program = "", ...args]: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const { PATH = "", HOME = "" } = process.env;
  const options = { cwd, env: { PATH, HOME, ...env } };
  return promisify(execFile)(program, args, options).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr, message }) => ({
      code: Number(code) || 1,
      stdout: String(stdout ?? ""),
      stderr: String(stderr ?? message),
    }),
  );
}

/** The first of a run's test files to need them compiles them. */
async function builtTypes(): Promise<string> {
  const types = `${inject("build")}-types`;
  const done = join(types, "done");
  if ((await mkdir(types, { recursive: true })) === undefined) {
    await vi.waitUntil(() => existsSync(done), { timeout: 60_000 });
    return types;
  }
  await writeTypes(types);
  await writeFile(done, "");
  return types;
}
