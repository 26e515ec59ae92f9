import { join } from "node:path";
import { expect, test } from "vitest";
import { loadHistory } from "../../src/db/migrate/index.ts";
import { createBranchProject, users } from "../helpers/branches.ts";

const STEP = `import { defineStep } from "tidemark/steps";
import { users } from "./0001_fill.schema.ts";
export default defineStep({ run: async ({ db }) => void (await db.insert(users).values({})) });
`;
const SCHEMA = `import { pgTable, serial } from "drizzle-orm/pg-core";
export const users = pgTable("users", { id: serial().primaryKey() });
`;

test("a code step moves with its migration, and an edit of one that the base has is found", {
  timeout: 120_000,
}, async () => {
  const here = await createBranchProject("0.31");
  try {
    const { git, commit, done, write } = here;
    await git("checkout", "--quiet", "-b", "mine");
    await done("generate", "fill", "--custom");
    await write("drizzle/0001_fill.ts", STEP);
    await write("drizzle/0001_fill.schema.ts", SCHEMA);
    await here.run(["sum"]);
    await commit("fill");
    await git("checkout", "--quiet", "main");
    await here.table("users", users("top age: integer(),", "middle name: text(),"));
    await done("generate", "age");
    await commit("age");
    await git("checkout", "--quiet", "mine");
    await here.clash("merge", "main");
    const before = await loadHistory(join(here.root, "drizzle"), { sumFile: "ignore" }).catch(
      () => undefined,
    );
    expect(before).toBeUndefined();
    await done("rebase", "--base", "main");
    const files = Object.keys(await here.files()).filter((file) => !file.includes("/"));
    expect(files.toSorted()).toEqual([
      "0000_users.down.sql",
      "0000_users.sql",
      "0001_age.down.sql",
      "0001_age.sql",
      "0002_fill.schema.ts",
      "0002_fill.sql",
      "0002_fill.ts",
      "tidemark.sum",
    ]);
    expect(await here.read("0002_fill.ts")).toBe(STEP.replace("0001_fill", "0002_fill"));
    const { migrations } = await loadHistory(join(here.root, "drizzle"));
    expect(migrations.map(({ tag, code }) => [tag, code !== undefined])).toEqual([
      ["0000_users", false],
      ["0001_age", false],
      ["0002_fill", true],
    ]);
    await commit("merged");
    await git("checkout", "--quiet", "-b", "later");
    await write("drizzle/0002_fill.ts", `// only a comment\n${await here.read("0002_fill.ts")}`);
    const verify = async () => (await here.type("verify", "--base", "mine")).stdout;
    expect(await verify()).not.toContain("differs from mine");
    await write(
      "drizzle/0002_fill.ts",
      STEP.replace("0001_fill", "0002_fill").replace("values({})", "values({ id: 7 })"),
    );
    await here.run(["sum"]);
    expect(await verify()).toContain("drizzle/0002_fill.ts differs from mine in what it does.");
  } finally {
    await here.remove();
  }
});
