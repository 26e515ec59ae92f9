import { execFile } from "node:child_process";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, inject, onTestFinished, test } from "vitest";
import { addTypes, installPackage } from "../helpers/package-user.ts";

const TSC =
  "--ignoreConfig --noEmit --strict --skipLibCheck --module nodenext --target es2023".split(" ");

/** The fenced blocks of a section of the README. */
async function blocksOf(heading: string, language: string): Promise<readonly string[]> {
  const text = await readFile("README.md", "utf8");
  const section = text.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  const blocks = section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"));
  return [...blocks].map(([, code = ""]) => code);
}

test("the test in “Testing your own migrations” runs as it stands, and its types fit", async () => {
  const [example, ...others] = await blocksOf("Testing your own migrations", "ts");
  expect(others).toEqual([]);
  const user = await installPackage();
  onTestFinished(user.remove);
  await addTypes(user);
  await cp("drizzle", join(user.dir, "drizzle"), { recursive: true });
  await writeFile(join(user.dir, "package.json"), `{ "type": "module" }`);
  // Without it, vitest would take the configuration of the checkout around it.
  await writeFile(join(user.dir, "vitest.config.js"), "export default {};");
  await writeFile(join(user.dir, "example.test.ts"), example ?? "");
  const { PATH = "", HOME = "" } = process.env;
  const run = (module: string, args: readonly string[]) =>
    promisify(execFile)(process.execPath, [resolve("node_modules", module), ...args], {
      cwd: user.dir,
      env: { PATH, HOME, TEST_DATABASE_URL: inject("serverUrl") },
    }).catch((error) => {
      throw new Error(`${error.message}\n${error.stdout}`);
    });
  await run("typescript/bin/tsc", [...TSC, "example.test.ts"]);
  const { stdout } = await run("vitest/vitest.mjs", ["run", "--root", ".", "--no-color"]);
  expect(stdout).toMatch(/Tests\s+1 passed \(1\)/);
});
