import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { promisify } from "node:util";
import { type DockerStage, type DockerStep, parseDockerfile } from "./dockerfile.ts";

const run = promisify(execFile);

/** The image's last stage, as folders of this machine. */
export interface AssembledImage {
  /** What is `/app` in the image. */
  readonly app: string;
  /** What is `/usr/local/bin` in the image. */
  readonly bin: string;
  readonly remove: () => Promise<void>;
}

/**
 * Carries out the Dockerfile without Docker. What `npm ci` would install is copied from here,
 * as npm lists it for the same flags: nothing is downloaded. The base images are this machine.
 *
 * @throws where a step copies what is not there, or `.dockerignore` keeps outside
 */
export async function assembleImage(): Promise<AssembledImage> {
  const root = await mkdtemp(join(tmpdir(), "tidemark-image-"));
  const folders = new Map<string | undefined, string>();
  const { stages } = parseDockerfile(await readFile("Dockerfile", "utf8"));
  const context = await readAllowed();
  let last = "";
  for (const [index, stage] of stages.entries()) {
    last = join(root, String(index));
    folders.set(stage.name, last);
    await buildStage(stage, { root: last, folders, context });
  }
  return {
    app: join(last, "app"),
    bin: join(last, "usr/local/bin"),
    remove: () => rm(root, { recursive: true, force: true }),
  };
}

/** What `.dockerignore` lets through: all else is outside. */
export async function readAllowed(): Promise<readonly string[]> {
  const lines = (await readFile(".dockerignore", "utf8"))
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  if (lines[0] !== "*" || lines.slice(1).some((line) => !/^![\w./-]+$/.test(line))) {
    throw new Error(".dockerignore is not `*` and then plain exceptions");
  }
  return lines.slice(1).map((line) => line.slice(1));
}

interface Build {
  readonly root: string;
  readonly folders: ReadonlyMap<string | undefined, string>;
  readonly context: readonly string[];
}

async function buildStage({ steps }: DockerStage, build: Build): Promise<void> {
  await mkdir(join(build.root, "app"), { recursive: true });
  await mkdir(join(build.root, "usr/local/bin"), { recursive: true });
  for (const step of steps) {
    if (step.keyword === "COPY") await copy(step, build);
    if (step.keyword === "RUN") {
      for (const command of step.text.split("&&")) await execute(command.trim(), build.root);
    }
  }
}

async function copy({ text, from }: DockerStep, { root, folders, context }: Build): Promise<void> {
  const words = text.split(/\s+/);
  const target = join(root, "app", words.at(-1) ?? "");
  for (const source of words.slice(0, -1)) {
    if (from === undefined && !context.includes(source.replace(/\/$/, ""))) {
      throw new Error(`COPY ${source}: .dockerignore keeps it outside`);
    }
    const place = from === undefined ? resolve(source) : join(folders.get(from) ?? "", source);
    // Docker copies a folder's content, and a file below a target that ends with a slash.
    const isFile = /\.\w+$/.test(source);
    await cp(place, isFile ? join(target, basename(source)) : target, { recursive: true });
  }
}

async function execute(command: string, root: string): Promise<void> {
  const app = join(root, "app");
  if (command.startsWith("npm ci ")) return install(command, app);
  if (command.startsWith("npm cache ")) return;
  const here = command
    .replaceAll(/(?<=^|\s)\/app\//g, `${app}/`)
    .replaceAll(/(?<=^|\s)\/usr\/local\/bin\//g, `${join(root, "usr/local/bin")}/`);
  await run("sh", ["-c", here], { cwd: app });
}

async function install(command: string, app: string): Promise<void> {
  const omit = command.split(" ").filter((word) => word.startsWith("--omit="));
  if (omit.length === 0) return symlink(resolve("node_modules"), join(app, "node_modules"));
  await copyPackages(omit, app);
}

/** Copies what `npm ci` would install with those flags. */
export async function copyPackages(omit: readonly string[], app: string): Promise<void> {
  const { stdout } = await run("npm", ["ls", "--all", "--parseable", ...omit]);
  // `npm ls` lists what is there for development, and could serve another as an optional peer.
  const { packages: locked } = JSON.parse(await readFile("package-lock.json", "utf8")) as {
    packages: Readonly<Record<string, { readonly devOptional?: boolean }>>;
  };
  const packages = stdout
    .split("\n")
    .map((path) => relative(resolve("."), path))
    .filter((path) => path.startsWith("node_modules/") && !locked[path]?.devOptional);
  for (const path of packages) {
    await mkdir(dirname(join(app, path)), { recursive: true });
    // A package's own node_modules are packages of the list, or left out.
    await cp(path, join(app, path), {
      recursive: true,
      filter: (source) => source === path || basename(source) !== "node_modules",
    });
  }
}
