import { execFile } from "node:child_process";
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
