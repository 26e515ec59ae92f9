import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // A file is a worker of its own. Most of them wait for processes and locks: two cores carry three.
    maxWorkers: 3,
    // Each file has a database of its own; a process for each would cost as much as a seventh of all the rest.
    isolate: false,
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.unit.test.ts"],
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.{unit,long,leg,fuzz}.test.ts"],
          globalSetup: ["test/helpers/global-setup.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
