import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, inject, onTestFinished, test } from "vitest";
import { journalOf } from "../helpers/history.ts";
import { addTypes, installPackage, linkNodeTypes, writeFiles } from "../helpers/package-user.ts";

const TSC =
  "--ignoreConfig --noEmit --strict --skipLibCheck --module nodenext --target es2023 --allowImportingTsExtensions --rewriteRelativeImportExtensions --types node";

const SCHEMA = `import { integer, pgTable, text } from "drizzle-orm/pg-core";
export const people = pgTable("people", {
  id: integer().primaryKey().notNull(),
  fullName: text("full_name"),
  given: text(),
  family: text(),
});
`;

test.each([
  ["docs/code-steps.md", "0001_full_names"],
  ["docs/backfills.md", "0001_fill_names"],
])(
  "the code of %s, and its test, run as they stand in a project that has the package",
  {
    timeout: 120_000,
  },
  async (file, tag) => {
    const page = await readFile(file, "utf8");
    const [step = "", example = "", ...more] = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(
      ([, code]) => code,
    );
    expect(more).toEqual([]);
    const create = /For `(create table people[^`]*)`/.exec(page)?.[1];
    const user = await installPackage();
    onTestFinished(user.remove);
    await Promise.all([addTypes(user), linkNodeTypes(user)]);
    await writeFiles(user.dir, {
      "package.json": '{ "type": "module" }',
      // Without it, vitest would take the configuration of the checkout around it.
      "vitest.config.js": "export default {};",
      "drizzle/meta/_journal.json": journalOf(["0000_people", tag]),
      "drizzle/0000_people.sql": create ?? "",
      [`drizzle/${tag}.sql`]: "select 1;",
      [`drizzle/${tag}.ts`]: step,
      [`drizzle/${tag}.schema.ts`]: SCHEMA,
      "example.test.ts": example,
    });
    const { PATH = "", HOME = "" } = process.env;
    const run = (module: string, args: readonly string[]) =>
      promisify(execFile)(process.execPath, [resolve("node_modules", module), ...args], {
        cwd: user.dir,
        env: { PATH, HOME, TEST_DATABASE_URL: inject("serverUrl") },
      }).catch((error) => {
        throw new Error(`${error.message}\n${error.stdout}`);
      });
    await run("typescript/bin/tsc", [...TSC.split(" "), "example.test.ts", `drizzle/${tag}.ts`]);
    const { stdout } = await run("vitest/vitest.mjs", ["run", "--root", ".", "--no-color"]);
    expect(stdout).toMatch(/Tests\s+1 passed \(1\)/);
  },
);
