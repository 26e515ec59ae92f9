import { spawn } from "node:child_process";
import { join } from "node:path";
import { inject } from "vitest";

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Ends it with SIGTERM. */
  readonly stop?: AbortSignal;
  /** Called with all of stderr so far, to act in the middle of a run. */
  readonly onStderr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** Runs the compiled command line, as the package's bin does, with nothing of ours in its environment. */
export function tidemark(args: readonly string[], options: CliOptions): Promise<CliResult> {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, [join(inject("build"), "cli/main.js"), ...args], {
    cwd: options.cwd,
    env: { PATH, HOME, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  options.stop?.addEventListener("abort", () => child.kill("SIGTERM"), { once: true });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
    options.onStderr?.(stderr, (signal) => child.kill(signal));
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}
