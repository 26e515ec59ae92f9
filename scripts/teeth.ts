// Shows that the protections have teeth: removes each in turn, in a copy of the checkout, and runs
// the test that must go red. Prints a table; fails if one stays green.
//
//   npm run teeth [-- [--part <i>/<n>] <words of a protection's name>]
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { PROTECTIONS, type Protection } from "./teeth/protections.ts";

const ROOT = join(import.meta.dirname, "..");
const AT_ONCE = 2;
const TEST_MS = 300_000;

type Outcome = "red" | "green" | "no such code";

const { values, positionals } = parseArgs({
  options: { part: { type: "string", default: "1/1" } },
  allowPositionals: true,
});
const chosen = chosenOf(values.part, positionals.join(" "));
const copies: string[] = [];
process.on("exit", () => {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
});
process.on("SIGINT", () => process.exit(130));

const outcomes = new Map<Protection, Outcome>();
const left = [...chosen];
await Promise.all(Array.from({ length: AT_ONCE }, biteAll));

const rows = chosen.map((protection) => [
  protection.name,
  protection.without,
  protection.test,
  outcomes.get(protection),
]);
console.log("| protection | taken away | test | outcome |\n|---|---|---|---|");
for (const row of rows) console.log(`| ${row.join(" | ")} |`);
const green = chosen.filter((protection) => outcomes.get(protection) !== "red").length;
if (green > 0) {
  console.error(`${green} of ${chosen.length} can be taken away without a test that notices.`);
  process.exitCode = 1;
}

/** Every n-th protection of those whose name has the words, from the i-th. */
function chosenOf(part: string, words: string): readonly Protection[] {
  const [, i, n] = (/^(\d+)\/(\d+)$/.exec(part) ?? []).map(Number);
  if (i === undefined || n === undefined || i < 1 || i > n) {
    throw new Error(`--part is ${part}, where a part such as 1/3 is expected`);
  }
  return PROTECTIONS.filter(({ name }, at) => at % n === i - 1 && name.includes(words));
}

/** Takes protections away in a copy of its own until none is left. */
async function biteAll(): Promise<void> {
  const copy = copyOfCheckout();
  for (let protection = left.shift(); protection !== undefined; protection = left.shift()) {
    const outcome = await bite(copy, protection);
    outcomes.set(protection, outcome);
    process.stderr.write(`${outcome.padEnd(8)} ${protection.name}\n`);
  }
}

function copyOfCheckout(): string {
  const copy = mkdtempSync(join(tmpdir(), "tidemark-teeth-"));
  copies.push(copy);
  const folders = ["src", "test", "scripts", "drizzle"];
  const files = ["package.json", "tsconfig.json", "tsconfig.build.json", "README.md"];
  for (const name of [
    ...folders,
    ...files,
    "vitest.config.ts",
    "vitest.legs.config.ts",
    "drizzle.config.ts",
  ]) {
    cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  return copy;
}

async function bite(copy: string, { file, from, to, test, only }: Protection): Promise<Outcome> {
  const path = join(copy, "src", file);
  const whole = readFileSync(path, "utf8");
  if (whole.split(from).length !== 2) return "no such code";
  // Only the test must accept it, not the compiler.
  writeFileSync(path, `// @ts-nocheck\n${whole.replace(from, () => to)}`);
  try {
    return (await passes(copy, test, only)) ? "green" : "red";
  } finally {
    writeFileSync(path, whole);
  }
}

/** Whether the test passes. One that matches nothing is an error, not a pass. */
async function passes(copy: string, file: string, only: string): Promise<boolean> {
  const long = ["--config", "vitest.legs.config.ts", "--project", "long"];
  const where = file.endsWith(".long.test") ? long : [];
  const args = ["vitest", "run", ...where, file, "-t", only, "--bail", "1", "--reporter", "json"];
  const { stdout, stderr, code } = await run(copy, "npx", args);
  const { numPassedTests = 0, numFailedTests = 0 } = parse(stdout.slice(stdout.indexOf("{")));
  // Code that does not load runs no tests, and shows nothing.
  if (numPassedTests + numFailedTests === 0) {
    process.stderr.write(`no test of ${file} ran (exit code ${code}): ${stderr.slice(-2000)}\n`);
    return true;
  }
  return numFailedTests === 0;
}

function run(cwd: string, command: string, args: readonly string[]) {
  return new Promise<{ stdout: string; stderr: string; code: number | null }>((resolve, reject) => {
    const child = spawn(command, args, { cwd, timeout: TEST_MS });
    const text = { stdout: "", stderr: "" };
    child.stdout.on("data", (chunk) => {
      text.stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      text.stderr += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...text, code }));
  });
}

function parse(report: string): { numPassedTests?: number; numFailedTests?: number } {
  try {
    return JSON.parse(report);
  } catch {
    return {};
  }
}
