import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { inject } from "vitest";

/** A project that has this package installed. */
export interface PackageUser {
  readonly dir: string;
  readonly remove: () => Promise<void>;
}

/** Below the checkout: all that the package and its user need besides it is found there. */
export async function installPackage(): Promise<PackageUser> {
  await mkdir(".tidemark", { recursive: true });
  const dir = await mkdtemp(resolve(".tidemark/user-"));
  const installed = join(dir, "node_modules/tidemark");
  await mkdir(installed, { recursive: true });
  await cp("package.json", join(installed, "package.json"));
  await cp(inject("build"), join(installed, "dist"), { recursive: true });
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}
