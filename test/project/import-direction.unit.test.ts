import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
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

/** The rules that the sources break, and where, as `npm run check:imports` sees them. */
async function violations(): Promise<readonly string[]> {
  const bin = resolve("node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const args = [bin, "--config", ".dependency-cruiser.json", "--output-type", "json", "src"];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: copy,
    maxBuffer: 64 * 1024 * 1024,
  });
  const { summary } = JSON.parse(stdout) as {
    summary: { totalCruised: number; violations: { rule: { name: string }; from: string }[] };
  };
  // A parser that cannot read the sources would find no modules, and nothing wrong.
  expect(summary.totalCruised).toBeGreaterThan(50);
  return [...new Set(summary.violations.map(({ rule, from }) => `${rule.name} ${from}`))];
}

test("the sources break no import rule", { timeout: 60_000 }, async () => {
  expect(await violations()).toEqual([]);
});

test("each planted violation is found", { timeout: 60_000 }, async () => {
  // One a rule, by its name: a rule whose violation nobody finds keeps nothing out.
  const planted: Record<string, Record<string, string>> = {
    "no-cycles": {
      "src/db/planted-a.ts": `import { b } from "./planted-b.ts";\nexport const a = (): unknown => b;\n`,
      "src/db/planted-b.ts": `import { a } from "./planted-a.ts";\nexport const b = (): unknown => a;\n`,
    },
    "floor-imports-nothing-of-ours": {
      "src/db/base/planted-up.ts": `export { connect } from "../connection/connect.ts";\n`,
    },
    "connection-is-above-the-floor": {
      "src/db/connection/planted-up.ts": `export { planRun } from "../migrate/index.ts";\n`,
    },
    "databases-are-made-over-the-connection": {
      "src/db/server/planted-up.ts": `export { planRun } from "../migrate/index.ts";\n`,
    },
    "init-is-above-the-engine": {
      "src/db/init/planted.ts": `export { exportSchema } from "../kit/index.ts";\n`,
    },
    "types-import-only-types": {
      "src/db/migrate/ledger-types.ts": `export { identifier } from "../base/quote.ts";\n`,
    },
    "errors-import-only-types": {
      "src/db/migrate/errors.ts": `export { identifier } from "../base/quote.ts";\n`,
    },
    "run-types-import-only-types": {
      "src/db/migrate/run-types.ts": `export { identifier } from "../base/quote.ts";\n`,
    },
    "reports-are-only-types": {
      "src/db/migrate/reports.ts": `export { identifier } from "../base/quote.ts";\n`,
    },
    "code-is-above-the-floor": {
      "src/db/migrate/code/planted.ts": `export { checksumOf } from "../history/checksum.ts";\n`,
    },
    "steps-bring-nothing": {
      "src/db/steps/planted.ts": `export { identifier } from "../base/quote.ts";\n`,
    },
    "history-is-above-its-rooms": {
      "src/db/migrate/history/planted.ts": `export { planRun } from "../plan/plan.ts";\n`,
    },
    "plan-is-above-its-rooms": {
      "src/db/migrate/plan/planted.ts": `export { parseStatements } from "../sql/statements.ts";\n`,
    },
    "sql-is-above-its-rooms": {
      "src/db/migrate/sql/planted.ts": `export { record } from "../ledger/record.ts";\n`,
    },
    "ledger-is-above-its-rooms": {
      "src/db/migrate/ledger/planted.ts": `export { fence } from "../lease/sql.ts";\n`,
    },
    "lease-is-above-its-rooms": {
      "src/db/migrate/lease/planted.ts": `export { partsOf } from "../execute/execution.ts";\n`,
    },
    "backfill-is-above-its-rooms": {
      "src/db/migrate/backfill/planted.ts": `export { partsOf } from "../execute/execution.ts";\n`,
    },
    "execute-is-above-its-rooms": {
      "src/db/migrate/execute/planted.ts": `export { findExisting } from "../adopt/find-sql.ts";\n`,
    },
    "repeatables-is-above-its-rooms": {
      "src/db/migrate/repeatables/planted.ts": `export { takeOver } from "../adopt/take-over.ts";\n`,
    },
    "adopt-is-above-its-rooms": {
      "src/db/migrate/adopt/planted.ts": `export { statusJson } from "../calls/report.ts";\n`,
    },
    "calls-is-above-its-rooms": {
      "src/db/migrate/calls/planted.ts": `export { DatabaseMigrator } from "../migrator.ts";\n`,
    },
    "sql-tree-is-above-the-engine": {
      "src/db/sql-tree/planted.ts": `export { withScratchServer } from "../scratch/index.ts";\n`,
    },
    "engine-imports-nothing-of-the-app": {
      "src/db/migrate/planted-app.ts": `export { parseConfig } from "../../config.ts";\n`,
    },
    "engine-has-few-dependencies": {
      "src/db/connection/planted-package.ts": `import { Command } from "commander";\nexport const c = Command;\n`,
    },
    "io-is-named": {
      "src/db/migrate/plan/planted-io.ts": `import { readFile } from "node:fs/promises";\nexport const a = readFile;\n`,
    },
    "outside-uses-the-index": {
      "src/planted-inside.ts": `export { planRun } from "./db/migrate/plan/plan.ts";\n`,
    },
    "database-knows-no-app": {
      "src/db/planted-web.ts": `export { createRoutes } from "../app/routes.ts";\n`,
    },
    "catalogs-are-compared-on-demand": {
      "src/planted-catalog.ts": `export { readCatalog } from "./db/catalog/index.ts";\n`,
    },
    "development-is-for-its-commands": {
      "src/planted-kit.ts": `export { exportSchema } from "./db/kit/index.ts";\n`,
    },
    "drop-in-is-above-the-engine": {
      "src/db/drizzle/planted.ts": `import { drizzle } from "drizzle-orm/postgres-js";\nexport const d = drizzle;\n`,
    },
    "testing-is-for-tests": {
      "src/planted-testing.ts": `export { createTestDatabase } from "./db/testing/index.ts";\n`,
    },
    "testing-has-few-dependencies": {
      "src/db/testing/planted-package.ts": `import { Command } from "commander";\nexport const c = Command;\n`,
    },
    "event-store-is-above-the-database": {
      "src/eventstore/planted.ts": `export { readMigrations } from "../db/migrate/index.ts";\n`,
    },
    "projections-are-above-the-event-store": {
      "src/projections/planted.ts": `export { push } from "../eventstore/push.ts";\n`,
    },
    "domain-is-above-the-event-store": {
      "src/domain/planted.ts": `export { waitFor } from "../projections/index.ts";\n`,
    },
    "backfills-are-above-the-engine": {
      "src/backfills/planted.ts": `export { DatabasePool } from "../db/pool/index.ts";\n`,
    },
    "job-engine-is-loaded-on-demand": {
      "src/app/planted-jobs.ts": `export { openJobQueue } from "../backfills/job-queue.ts";\n`,
    },
    // users:start
    "users-are-above-the-projections": {
      "src/users/planted.ts": `export { push } from "../eventstore/push.ts";\n`,
    },
    // users:end
    "nothing-imports-the-application": {
      "src/planted-app.ts": `export { createRoutes } from "./app/routes.ts";\n`,
    },
    "nothing-imports-the-entry-points": {
      "src/planted-cli.ts": `export { runStatus } from "./cli/status.ts";\n`,
    },
    "not-to-dev-dependency": {
      "src/planted-dev.ts": `import { test } from "vitest";\nexport const t = test;\n`,
    },
  };
  const { forbidden } = JSON.parse(await readFile(join(copy, ".dependency-cruiser.json"), "utf8"));
  expect(Object.keys(planted).toSorted()).toEqual(
    forbidden.map(({ name }: { name: string }) => name).toSorted(),
  );
  const files = Object.values(planted).flatMap((of) => Object.entries(of));
  for (const [file, text] of files) {
    await mkdir(dirname(join(copy, file)), { recursive: true });
    await writeFile(join(copy, file), text);
  }
  const found = await violations();
  for (const [rule, of] of Object.entries(planted)) {
    const [file] = Object.keys(of);
    expect(found).toContain(`${rule} ${file}`);
  }
});
