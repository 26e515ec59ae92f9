import { execFile } from "node:child_process";
import { cp, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

let copy: string;

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), "tidemark-imports-"));
  await cp("src", join(copy, "src"), { recursive: true });
  for (const name of [".dependency-cruiser.json", "package.json", "tsconfig.json"]) {
    await cp(name, join(copy, name));
  }
  await symlink(resolve("node_modules"), join(copy, "node_modules"));
});

afterAll(() => rm(copy, { recursive: true, force: true }));

/** The rules that the sources break, as `npm run check:imports` sees them. */
async function brokenRules(): Promise<readonly string[]> {
  const bin = resolve("node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const args = [bin, "--config", ".dependency-cruiser.json", "--output-type", "json", "src"];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: copy,
    maxBuffer: 64 * 1024 * 1024,
  });
  const { summary } = JSON.parse(stdout) as {
    summary: { totalCruised: number; violations: { rule: { name: string } }[] };
  };
  // A parser that cannot read the sources would find no modules, and nothing wrong.
  expect(summary.totalCruised).toBeGreaterThan(50);
  return [...new Set(summary.violations.map(({ rule }) => rule.name))].toSorted();
}

test("the sources break no import rule", { timeout: 60_000 }, async () => {
  expect(await brokenRules()).toEqual([]);
});

test("each planted violation is found", { timeout: 60_000 }, async () => {
  const planted: Record<string, string> = {
    "src/db/migrate/pure/planted-io.ts": `import { readFile } from "node:fs/promises";\nexport const a = readFile;\n`,
    "src/db/migrate/pure/planted-up.ts": `export { connect } from "../io/connect.ts";\n`,
    "src/db/migrate/io/planted-up.ts": `export { DatabaseMigrator } from "../migrator.ts";\n`,
    "src/db/migrate/io/planted-app.ts": `export { parseConfig } from "../../../config.ts";\n`,
    "src/db/migrate/io/planted-package.ts": `import { Command } from "commander";\nexport const c = Command;\n`,
    "src/db/migrate/reports.ts": `export { planRun } from "./pure/plan.ts";\n`,
    "src/planted-inside.ts": `export { planRun } from "./db/migrate/pure/plan.ts";\n`,
    "src/db/planted-web.ts": `export { createRoutes } from "../app/routes.ts";\n`,
    "src/planted-cli.ts": `export { runStatus } from "./cli/status.ts";\n`,
    "src/db/planted-a.ts": `import { b } from "./planted-b.ts";\nexport const a = (): unknown => b;\n`,
    "src/db/planted-b.ts": `import { a } from "./planted-a.ts";\nexport const b = (): unknown => a;\n`,
    "src/planted-testing.ts": `export { createTestDatabase } from "./db/testing.ts";\n`,
    "src/planted-catalog.ts": `export { readCatalog } from "./db/catalog.ts";\n`,
    "src/planted-kit.ts": `export { exportSchema } from "./db/kit.ts";\n`,
    "src/db/testing/planted-package.ts": `import { Command } from "commander";\nexport const c = Command;\n`,
    "src/planted-dev.ts": `import { test } from "vitest";\nexport const t = test;\n`,
  };
  for (const [file, text] of Object.entries(planted)) await writeFile(join(copy, file), text);
  expect(await brokenRules()).toEqual([
    "catalogs-are-compared-on-demand",
    "database-knows-no-app",
    "development-is-for-its-commands",
    "engine-has-few-dependencies",
    "engine-imports-nothing-of-the-app",
    "io-is-below-the-migrator",
    "no-cycles",
    "not-to-dev-dependency",
    "nothing-imports-the-application",
    "nothing-imports-the-entry-points",
    "outside-uses-the-index",
    "pure-imports-no-io",
    "reports-are-types-alone",
    "testing-has-few-dependencies",
    "testing-is-for-tests",
  ]);
});
