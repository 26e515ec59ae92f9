import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, inject, test } from "vitest";
import { createKitProject } from "../helpers/kit-project.ts";

const USERS = `export const users = pgTable("users", { id: serial().primaryKey(), name: text() });\n`;

test("drizzle-kit 1.x is driven under Bun too", { timeout: 300_000 }, async () => {
  const project = await createKitProject(USERS, undefined, { kit: "1.x" });
  const generate = async (...args: readonly string[]) => {
    const { PATH = "", HOME = "", BUN = "bun" } = process.env;
    const main = join(inject("build"), "cli/main.js");
    return promisify(execFile)(BUN, ["--bun", main, "generate", "--no-down", ...args], {
      cwd: project.root,
      env: { PATH, HOME },
    }).then(
      ({ stdout }) => ({ code: 0, said: stdout }),
      ({ code, stderr }) => ({ code, said: String(stderr) }),
    );
  };
  try {
    expect((await generate("users")).said).toContain('CREATE TABLE "users"');
    await project.schema(USERS.replace("name:", "full_name:"));
    expect(await generate("rename")).toMatchObject({
      code: 2,
      said: expect.stringContaining("--rename users.name=full_name"),
    });
    expect((await generate("rename", "--rename", "users.name=full_name")).said).toContain(
      'ALTER TABLE "users" RENAME COLUMN "name" TO "full_name"',
    );
    await project.schema(`${USERS}throw new Error("no such luck");`);
    expect(await generate()).toMatchObject({
      code: 2,
      said: expect.stringContaining("no such luck"),
    });
  } finally {
    await project.remove();
  }
});
