import { spawn } from "node:child_process";
import { hostname } from "node:os";

/** A command of a ```console block, and what the document says that it prints. */
export interface ConsoleStep {
  readonly command: string;
  /** Lines; one that is `…` stands for any number of lines. */
  readonly expected: readonly string[];
}

/** Reads a ```console block: lines that start with `$ ` are typed, the others are printed. */
export function parseSession(block: string): readonly ConsoleStep[] {
  const steps: { command: string; expected: string[] }[] = [];
  for (const line of block.trimEnd().split("\n")) {
    if (line.startsWith("$ ")) steps.push({ command: line.slice(2), expected: [] });
    else steps.at(-1)?.expected.push(line);
  }
  return steps;
}

/** Types it into a shell; both streams in the order in which they came. */
export function type(
  command: string,
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<string> {
  const child = spawn("sh", ["-c", `exec 2>&1\n${command}`], {
    ...options,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve(text));
  });
}

/** What differs from run to run, in a document as on a screen. */
export function normalize(text: string): string {
  return text
    .replaceAll(hostname(), "laptop")
    .replaceAll(/[\w.-]+@laptop/g, "<whom>")
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z/g, "<time>")
    .replace(/\b\d+(\.\d+)? (ms|s)\b/g, "<took>")
    .replace(/sha256:[0-9a-f]{64}/g, "<sum>")
    .replace(/(process|backend|pid) \d+/g, "$1 <n>")
    .replace(/ {2,}/g, "  ")
    .trimEnd();
}

/** Whether a screen is what the document shows. */
export function matches(expected: readonly string[], screen: string): boolean {
  const pattern = normalize(expected.join("\n"))
    .split("\n")
    .map((line) => (line === "…" ? "(?:.*\n)*?.*" : literally(line)))
    .join("\n");
  return new RegExp(`^${pattern}$`).test(normalize(screen));
}

function literally(line: string): string {
  return line.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
