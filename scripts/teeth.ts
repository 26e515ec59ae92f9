// Shows that the protections have teeth: removes each in turn, in a copy of the checkout, and runs
// the test that must go red. Prints a table; fails if one stays green.
//
//   npm run teeth [-- <words of a protection's name>]
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PROTECTIONS, type Protection } from "./teeth/protections.ts";

const ROOT = join(import.meta.dirname, "..");
const wanted = process.argv.slice(2).join(" ");
const chosen = PROTECTIONS.filter(({ name }) => name.includes(wanted));

const copy = mkdtempSync(join(tmpdir(), "tidemark-teeth-"));
process.on("exit", () => rmSync(copy, { recursive: true, force: true }));
process.on("SIGINT", () => process.exit(130));
for (const name of ["src", "test", "scripts", "drizzle", "package.json", "tsconfig.json"]) {
  cpSync(join(ROOT, name), join(copy, name), { recursive: true });
}
for (const name of ["tsconfig.build.json", "vitest.config.ts", "drizzle.config.ts", "README.md"]) {
  cpSync(join(ROOT, name), join(copy, name));
}
symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));

const rows: string[][] = [["protection", "taken away", "test", "outcome"]];
let green = 0;
for (const protection of chosen) {
  const outcome = bite(protection);
  if (outcome !== "red") green += 1;
  process.stderr.write(`${outcome.padEnd(8)} ${protection.name}\n`);
  rows.push([protection.name, protection.without, protection.test, outcome]);
}
for (const [i, row] of rows.entries()) {
  console.log(`| ${row.join(" | ")} |`);
  if (i === 0) console.log("|---|---|---|---|");
}
if (green > 0) {
  console.error(`${green} of ${chosen.length} can be taken away without a test that notices.`);
  process.exitCode = 1;
}

function bite({ file, from, to, test, only }: Protection): "red" | "green" | "no such code" {
  const path = join(copy, "src", file);
  const whole = readFileSync(path, "utf8");
  if (whole.split(from).length !== 2) return "no such code";
  // Only the test must accept it, not the compiler.
  writeFileSync(path, `// @ts-nocheck\n${whole.replace(from, () => to)}`);
  try {
    return runTest(test, only) ? "green" : "red";
  } finally {
    writeFileSync(path, whole);
  }
}

/** Whether the test passes. One that matches nothing is an error, not a pass. */
function runTest(file: string, only: string): boolean {
  const args = ["vitest", "run", file, "-t", only, "--bail", "1", "--reporter", "json"];
  const { stdout, stderr, status } = spawnSync("npx", args, {
    cwd: copy,
    encoding: "utf8",
    timeout: 300_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  const report = stdout.slice(stdout.indexOf("{"));
  const { numPassedTests = 0, numFailedTests = 0 } = parse(report);
  // Code that does not load runs no tests, and shows nothing.
  if (numPassedTests + numFailedTests === 0) {
    process.stderr.write(`no test of ${file} ran (exit code ${status}): ${stderr.slice(-2000)}\n`);
    return true;
  }
  return numFailedTests === 0;
}

function parse(report: string): { numPassedTests?: number; numFailedTests?: number } {
  try {
    return JSON.parse(report);
  } catch {
    return {};
  }
}
