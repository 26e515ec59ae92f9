import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createKitProject } from "../helpers/kit-project.ts";
import {
  branchOf,
  createMigrated1x,
  createProject1x,
  type Project1x,
  RENAMED_1X,
  timeless,
  USERS_1X,
} from "../helpers/project-1x.ts";

let made: Project1x;
beforeAll(async () => {
  made = await createMigrated1x();
});
afterAll(() => made.remove());

const WITH_NICK = RENAMED_1X.replace("id:", "nick: text(), id:");

async function git(here: Project1x, ...args: readonly string[]): Promise<void> {
  const who = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
  await promisify(execFile)("git", [...who, ...args], { cwd: here.root });
}

/** What is there as the branch `main`; another is checked out. */
async function commitBase(here: Project1x): Promise<void> {
  await here.write(".gitignore", "node_modules\n");
  await git(here, "init", "--quiet", "--initial-branch=main");
  await git(here, "add", ".");
  await git(here, "commit", "--quiet", "--message=base");
  await git(here, "checkout", "--quiet", "-b", "mine");
}

describe("verify --base with drizzle-kit 1.x", () => {
  test("passes what the base has, and what comes after it; only that is proven and warned of", async () => {
    const here = await branchOf(made, RENAMED_1X);
    await commitBase(here);
    await here.schema(WITH_NICK);
    await here.done("generate", "mine");
    const { stdout, code } = await here.type("verify", "--base", "main");
    expect(code).toBe(0);
    expect(stdout).toContain("✓ New migrations come after those of the base (1 new)");
    expect(stdout).toContain("the migration runs again (1 of 4 down files)");
    expect(timeless(stdout)).toContain("warning drizzle/<time>_mine/migration.sql:1 takes a lock");
    expect(timeless(stdout)).not.toContain("<time>_rename/migration.sql:1 takes a lock");
  });

  test("finds what was edited, and does not blame a branch for what the base has not generated", async () => {
    const here = await branchOf(made, WITH_NICK);
    await commitBase(here);
    const file = Object.keys(await here.files()).find((path) =>
      path.endsWith("_rename/migration.sql"),
    );
    await here.write(`drizzle/${file}`, `${await here.read(file ?? "")}\nselect 1;`);
    await here.done("sum");
    const { stdout, code } = await here.type("verify", "--base", "main");
    expect(code).toBe(4);
    expect(timeless(stdout)).toContain("drizzle/<time>_rename/migration.sql differs from main");
    expect(stdout).toContain(
      "warning main has changes in its Drizzle schema that no migration has",
    );
  });

  test("knows the migrations again that `drizzle-kit up` has converted on this branch", async () => {
    const old = await createKitProject(USERS_1X);
    onTestFinished(old.remove);
    expect((await old.run(["generate", "create_users"])).code).toBe(0);
    const here = await createProject1x(USERS_1X);
    onTestFinished(here.remove);
    await here.continueFrom(old);
    await commitBase(here);
    await here.kit("up");
    await here.done("sum");
    const { stdout, code } = await here.type("verify", "--base", "main");
    expect(stdout).not.toContain("error");
    expect(stdout).toContain("✓ New migrations come after those of the base (0 new)");
    expect(code).toBe(0);
  });
});
