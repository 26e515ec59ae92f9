import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A `docker` that does as it is told, in a folder to be the PATH, beside node and a shell. */
export interface FakeDocker {
  readonly path: string;
  /** What it was called with, a line a call. */
  readonly calls: () => Promise<readonly string[]>;
}

/** Makes it of the body of a shell script; without one there is no docker on the PATH. */
export async function fakeDocker(folder: string, body?: string): Promise<FakeDocker> {
  await mkdir(folder);
  await symlink(process.execPath, join(folder, "node"));
  for (const name of ["sh", "sleep", "cat", "rm"])
    await symlink(`/bin/${name}`, join(folder, name));
  const log = join(folder, "calls");
  await writeFile(log, "");
  if (body !== undefined) {
    const docker = join(folder, "docker");
    await writeFile(docker, `#!/bin/sh\necho "$@" >>"${log}"\n${body}\n`);
    await chmod(docker, 0o755);
  }
  const calls = async () => (await readFile(log, "utf8")).trim().split("\n");
  return { path: folder, calls };
}

/** An engine that answers and reaches no registry. */
export const PULL_FAILS = `case "$1" in
version) echo 27.0 ;;
ps) ;;
pull) echo "manifest unknown" >&2 && exit 1 ;;
*) exit 1 ;;
esac`;

/**
 * An engine that knows one container: the server at `url`. What it was started with stands
 * in a file.
 */
export function engineOf(url: string, state: string): string {
  const { host, password } = new URL(url);
  return `case "$1 $2" in
"version --format") echo 27.0 ;;
"container inspect")
  [ -f "${state}" ] || exit 1
  case "$4" in
  *Env*) echo "POSTGRES_PASSWORD=${password}" ;;
  *) echo "true $(cat "${state}")" ;;
  esac ;;
"image inspect") echo sha256:0 ;;
"run --detach") echo "\${6#*=}" >"${state}" ;;
"port "*) echo "${host}" ;;
"ps --all") if [ -f "${state}" ]; then echo 0a1b; fi ;;
"rm --force") rm -f "${state}" ;;
esac`;
}
