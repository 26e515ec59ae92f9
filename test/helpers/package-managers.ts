import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

/** Where `scripts/leg-package.sh` has put the package managers, and an older TypeScript. */
const TOOLS = process.env.PACKAGE_TOOLS ?? "node_modules";

export const toolPath = (name: string) => resolve(TOOLS, "node_modules/.bin", name);
export const hasTool = (name: string) => existsSync(toolPath(name));

/** How a package manager is told to. */
export interface PackageManager {
  readonly name: string;
  readonly add: (what: string) => readonly string[];
  readonly addForDevelopment: (what: string) => readonly string[];
  /** Runs a command of an installed package. */
  readonly exec: readonly string[];
}

const NPM: PackageManager = {
  name: "npm",
  add: (what) => ["npm", "install", "--no-audit", "--no-fund", what],
  addForDevelopment: (what) => ["npm", "install", "--no-audit", "--no-fund", "--save-dev", what],
  exec: ["npx", "--no-install"],
};

const manager = (
  name: string,
  words: { readonly dev: readonly string[]; readonly exec: readonly string[] },
): PackageManager => ({
  name,
  add: (what) => [toolPath(name), "add", what],
  addForDevelopment: (what) => [toolPath(name), "add", ...words.dev, what],
  exec: [toolPath(name), ...words.exec],
});

/** npm, and of the others those that are here. */
export const PACKAGE_MANAGERS: readonly PackageManager[] = [
  NPM,
  // It runs no install scripts unasked, and says so with an exit code; the package does without.
  manager("pnpm", { dev: ["--save-dev", "--config.strict-dep-builds=false"], exec: ["exec"] }),
  manager("yarn", { dev: ["--dev"], exec: ["--silent", "run"] }),
  manager("bun", { dev: ["--dev"], exec: ["x"] }),
].filter(({ name }) => name === "npm" || hasTool(name));

/** Caches of the test's own: an archive of the same name and version may lie in the user's. */
export const ownCaches = (folder: string): Readonly<Record<string, string>> => ({
  YARN_CACHE_FOLDER: join(folder, "yarn"),
  BUN_INSTALL_CACHE_DIR: join(folder, "bun"),
  npm_config_store_dir: join(folder, "pnpm"),
});
