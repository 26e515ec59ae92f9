import { readFile, realpath } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { MigrateError } from "../migrate/index.ts";

const SUPPORTED = /^0\.31\.\d/;

/** Real path of the script of the project's own drizzle-kit, whose version decides what is generated. */
export async function locateKit(cwd: string): Promise<string> {
  const folder = await kitFolder(cwd);
  const { version } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as {
    version: string;
  };
  if (!SUPPORTED.test(version)) {
    throw new MigrateError({
      code: "config",
      fact: `drizzle-kit ${version} is installed in ${cwd}; Tidemark drives 0.31.`,
      outcome: "nothing-written",
      remedy: "Install it with npm install --save-dev drizzle-kit@0.31.",
    });
  }
  return join(folder, "bin.cjs");
}

async function kitFolder(cwd: string): Promise<string> {
  try {
    const project = createRequire(join(cwd, "package.json"));
    return await realpath(dirname(project.resolve("drizzle-kit")));
  } catch (cause) {
    throw new MigrateError({
      code: "config",
      fact: `drizzle-kit is not installed in ${cwd}.`,
      outcome: "nothing-written",
      remedy: "Install it with npm install --save-dev drizzle-kit.",
      cause,
    });
  }
}

/** The version is supported, but the bundle differs from the known one. */
export function unknownBundle(bin: string, missing: readonly string[]): MigrateError {
  return new MigrateError({
    code: "config",
    fact: `${bin} differs from the drizzle-kit 0.31 that Tidemark knows: ${missing.join(", ")} cannot be found in it.`,
    outcome: "nothing-written",
    remedy: "Install drizzle-kit 0.31.11 or a newer Tidemark, and report this to its maintainers.",
  });
}
