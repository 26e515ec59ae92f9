import { spawn } from "node:child_process";
import { median } from "./setting.ts";

/** Milliseconds by peer, in the order of the rounds. */
export type Measured = ReadonlyMap<string, readonly number[]>;

/** Runs a command to its end; returns the milliseconds. */
export function runOnce([program, ...args]: readonly [string, ...string[]]): Promise<number> {
  const start = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => {
      if (code === 0) resolve(performance.now() - start);
      else reject(new Error(`${program} ${args.join(" ")} ended with ${code}: ${stderr}`));
    });
  });
}

/** A line for each peer: its median, and that of the rounds' ratios of the first to it. */
export function table(title: string, measured: Measured): string {
  const [first] = measured.values();
  const lines = [...measured].map(([name, times]) => {
    const ratio = median(times.map((time, i) => (first?.[i] ?? Number.NaN) / time));
    const shown = times === first ? "" : `  (${ratio.toFixed(2)})`;
    return `  ${name.padEnd(20)} ${median(times).toFixed(0).padStart(7)}${shown}`;
  });
  return `${title}\n${lines.join("\n")}\n`;
}
