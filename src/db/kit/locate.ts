import { readFile, realpath } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type Layout, MigrateError } from "../migrate/index.ts";

/** The drizzle-kit of a project. */
export interface LocatedKit {
  readonly version: string;
  /** The layout that it writes, which tells how it is driven. */
  readonly layout: Layout;
  /** Real path of its command. */
  readonly bin: string;
  /** Path of its functions `drizzle-kit/cli`; only 1.x has them. */
  readonly functions: string;
}

/**
 * The project's own drizzle-kit, whose version decides what is generated.
 *
 * @throws MigrateError `config` where there is none, or none that Tidemark can drive
 */
export async function locateKit(cwd: string): Promise<LocatedKit> {
  const folder = await kitFolder(cwd);
  const { version } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as {
    version: string;
  };
  const layout = layoutOfVersion(version);
  if (layout === undefined) throw unsupported(version, cwd);
  const bin = join(folder, "bin.cjs");
  const functions = layout === "1.x" ? functionsOf(cwd) : undefined;
  return { version, layout, bin, functions: functions ?? join(folder, "cli.js") };
}

/** Undefined where it has none: what is called instead says so. */
function functionsOf(cwd: string): string | undefined {
  try {
    return createRequire(join(cwd, "package.json")).resolve("drizzle-kit/cli");
  } catch {
    return undefined;
  }
}

/** The first whose snapshots hold differences, and whose functions answer with hints. */
const FIRST_1X = "1.0.0-rc.5";

/** The layout that a version writes; undefined where Tidemark cannot drive it. */
export function layoutOfVersion(version: string): Layout | undefined {
  if (/^0\.31\.\d/.test(version)) return "0.x";
  if (!/^1\.\d+\.\d+/.test(version)) return undefined;
  const [, candidate] = /^1\.0\.0-rc\.(\d+)/.exec(version) ?? [];
  if (candidate !== undefined) return Number(candidate) >= 5 ? "1.x" : undefined;
  return version.startsWith("1.0.0-") ? undefined : "1.x";
}

function unsupported(version: string, cwd: string): MigrateError {
  const isEarly = version.startsWith("1.0.0-");
  return new MigrateError({
    code: "config",
    fact: `drizzle-kit ${version} is installed in ${cwd}; Tidemark drives 0.31, and 1.x from ${FIRST_1X} on.`,
    outcome: "nothing-written",
    remedy: isEarly
      ? `Install it with npm install drizzle-orm@${FIRST_1X} && npm install --save-dev drizzle-kit@${FIRST_1X}, then run \`npx drizzle-kit up\`: it converts the snapshots, and leaves the SQL as it is.`
      : "Install it with npm install --save-dev drizzle-kit@0.31.",
  });
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

/** @throws MigrateError `config` where the folder has the other layout than drizzle-kit writes */
export function refuseOtherLayout(kit: LocatedKit, dir: string, layout: Layout): void {
  if (kit.layout === layout) return;
  const isOld = layout === "0.x";
  throw new MigrateError({
    code: "config",
    fact: `${dir} has the layout of drizzle-kit ${layout} (${isOld ? "meta/_journal.json" : "a folder for each migration"}), but drizzle-kit ${kit.version} is installed, which does not read it.`,
    outcome: "nothing-written",
    remedy: isOld
      ? "Convert the folder with `npx drizzle-kit up` (it gives the migrations new names, and leaves their SQL as it is), then run `tidemark sum` and commit both. Or stay with npm install --save-dev drizzle-kit@0.31."
      : `Install drizzle-kit 1.x: npm install drizzle-orm@${FIRST_1X} && npm install --save-dev drizzle-kit@${FIRST_1X}.`,
  });
}
