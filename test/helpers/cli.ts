import { type ChildProcess, spawn } from "node:child_process";
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

/** A command that runs. */
export interface RunningCli {
  readonly child: ChildProcess;
  readonly end: Promise<CliResult>;
  /** Called with each piece of stdout. */
  readonly onStdout: (listener: (text: string) => void) => void;
  /** Resolves once stderr holds that. */
  readonly stderrMatches: (pattern: RegExp) => Promise<void>;
}

/** Runs the compiled command line to its end. */
export function tidemark(args: readonly string[], options: CliOptions): Promise<CliResult> {
  return startTidemark(args, options).end;
}

/** Starts the compiled command line, as the package's bin does, with nothing of ours in its environment. */
export function startTidemark(args: readonly string[], options: CliOptions): RunningCli {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, [join(inject("build"), "cli/main.js"), ...args], {
    cwd: options.cwd,
    env: { PATH, HOME, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  options.stop?.addEventListener("abort", () => child.kill("SIGTERM"), { once: true });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
    options.onStderr?.(stderr, (signal) => child.kill(signal));
  });
  const end = new Promise<CliResult>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  return {
    child,
    end,
    onStdout: (listener) => child.stdout.on("data", listener),
    stderrMatches: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (pattern.test(stderr)) resolve();
        };
        child.stderr.on("data", look);
        child.on("close", () => reject(new Error(`ended without ${pattern}: ${stderr}`)));
        look();
      }),
  };
}
