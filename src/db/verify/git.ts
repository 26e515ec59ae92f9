import { execFile, spawn } from "node:child_process";
import { promisify } from "node:util";

const MOST_BYTES = 1 << 28;

/** Runs git in a folder; its stdout. */
export async function git(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const options = { cwd, maxBuffer: MOST_BYTES, env: { ...process.env, ...env } };
  const { stdout } = await promisify(execFile)("git", [...args], options);
  return stdout;
}

/**
 * The texts of files of a commit, by one process.
 *
 * @param cwd the folder that the names are relative to
 * @throws Error where git ends early
 */
export async function filesAt(
  cwd: string,
  commit: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (names.length === 0) return new Map();
  const child = spawn("git", ["cat-file", "--batch"], {
    cwd,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve());
  });
  // That it is gone, its end tells.
  child.stdin.on("error", () => undefined);
  child.stdin.end(names.map((name) => `${commit}:./${name}\n`).join(""));
  await ended;
  return parseBatch(Buffer.concat(chunks), names);
}

/** Each object is `<id> <type> <size>`, a line end, its bytes, a line end. */
function parseBatch(output: Buffer, names: readonly string[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  let at = 0;
  for (const name of names) {
    const end = output.indexOf("\n", at);
    const [, type, size = ""] = output.toString("utf8", at, end).split(" ");
    if (end === -1 || type !== "blob" || !/^\d+$/.test(size))
      throw new Error(`git cat-file does not know ${name}`);
    const start = end + 1;
    files.set(name, output.toString("utf8", start, start + Number(size)));
    at = start + Number(size) + 1;
  }
  return files;
}
