import { defineConfig } from "vitest/config";

/**
 * Tests that need more than Node.js, which `.ci/run` starts where the machine has it, and those that run
 * drizzle-kit and whole commands again and again.
 */
export default defineConfig({
  test: {
    // Vitest leaves one core to itself; most of these wait.
    maxWorkers: 2,
    globalSetup: ["test/helpers/global-setup.ts"],
    projects: [
      { extends: true, test: { name: "browser", include: ["test/**/*.browser.leg.test.ts"] } },
      { extends: true, test: { name: "image", include: ["test/**/*.image.leg.test.ts"] } },
      { extends: true, test: { name: "pgbouncer", include: ["test/**/*.pgbouncer.leg.test.ts"] } },
      { extends: true, test: { name: "long", include: ["test/**/*.long.test.ts"] } },
      { extends: true, test: { name: "stock", include: ["test/**/*.stock.leg.test.ts"] } },
      { extends: true, test: { name: "git", include: ["test/**/*.git.leg.test.ts"] } },
      { extends: true, test: { name: "bun", include: ["test/**/*.bun.leg.test.ts"] } },
      { extends: true, test: { name: "package", include: ["test/**/*.package.leg.test.ts"] } },
      {
        extends: true,
        test: { name: "hostile", include: ["test/hostile/*.hostile.leg.test.ts"] },
      },
      { extends: true, test: { name: "fuzz", include: ["test/fuzz/*.fuzz.test.ts"] } },
      { extends: true, test: { name: "disk-full", include: ["test/**/*.disk-full.leg.test.ts"] } },
    ],
    testTimeout: 60_000,
    hookTimeout: 600_000,
  },
});
