import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { copyOf, createVerifyProject, type VerifyProject } from "../helpers/verify-project.ts";

const run = promisify(execFile);

let original: VerifyProject;

beforeAll(async () => {
  original = await createVerifyProject();
});

afterAll(() => original.remove());

/** The project as the branch `main` of a repository. */
async function repository(): Promise<VerifyProject> {
  const here = await copyOf(original);
  onTestFinished(here.remove);
  await here.write(".gitignore", "node_modules\n");
  await here.git("init", "--quiet", "--initial-branch=main");
  await commit(here, "base");
  return here;
}

async function commit(here: VerifyProject, message: string): Promise<void> {
  await here.git("add", ".");
  await here.git("commit", "--quiet", `--message=${message}`);
}

describe("verify --base", () => {
  test("passes what the base has, and what comes after it; only that is proven and warned of", async () => {
    const here = await repository();
    await here.git("checkout", "--quiet", "-b", "mine");
    await here.run(["generate", "mine", "--custom"]);
    await here.write("drizzle/0003_mine.sql", "alter table users add column nick text;\n");
    expect((await here.type("down", "0003_mine")).code).toBe(0);
    const { code, notPassed, found, report } = await here.verify("--base", "main");
    expect({ code, notPassed }).toEqual({ code: 0, notPassed: [] });
    expect(found("sql")).toEqual([expect.stringMatching(/^warning drizzle\/0003_mine\.sql:1 /)]);
    const details = report.checks.map(({ name, detail }) => `${name}: ${detail}`);
    expect(details).toContain("order: 1 new");
    expect(details).toContain("down: 1 of 4 down files");
  });

  test("finds what was edited, and what is older than the base's newest", async () => {
    const here = await repository();
    await here.git("checkout", "--quiet", "-b", "mine");
    await here.run(["generate", "mine", "--custom"]);
    const journal = JSON.parse(await here.read("meta/_journal.json"));
    const [first, second, third, mine] = journal.entries;
    journal.entries = [first, second, { ...mine, when: second.when - 1 }, third];
    await here.write("drizzle/meta/_journal.json", JSON.stringify(journal, null, 2));
    const text = await here.read("0000_create_users.sql");
    await here.write("drizzle/0000_create_users.sql", text.replace("\n", "\n-- edited\n"));
    await here.run(["sum"]);
    const { code, found } = await here.verify("--base", "main");
    expect(code).toBe(4);
    expect(found("base")).toEqual([
      "error drizzle/0000_create_users.sql:2 drizzle/0000_create_users.sql is not as main has it, from line 2 on.",
    ]);
    expect(found("order")).toEqual([
      "error drizzle/0003_mine.sql 0003_mine is older than 0002_add_email, the newest of main.",
      expect.stringMatching(/^error drizzle\/meta\/_journal\.json:\d+ 0003_mine has the time \d+/),
    ]);
  });

  test("finds a migration beside one that the base has got since this branch left it", async () => {
    const here = await repository();
    await here.git("branch", "mine");
    await here.run(["generate", "theirs", "--custom"]);
    await commit(here, "theirs");
    await here.git("checkout", "--quiet", "mine");
    expect((await here.verify("--base", "main")).notPassed).toEqual([]);
    await here.run(["generate", "mine", "--custom"]);
    const { found } = await here.verify("--base", "main");
    expect(found("base")).toEqual([]);
    expect(found("order")).toEqual([
      "error drizzle/0003_mine.sql 0003_mine is older than 0003_theirs, the newest of main.",
    ]);
  });

  test("says so where git knows no such commit", async () => {
    const here = await repository();
    const { found, notPassed } = await here.verify("--base", "nowhere");
    expect(notPassed).toEqual(["base failed", "order failed"]);
    expect(found("base")).toEqual([
      "error - The base nowhere cannot be read in drizzle: git knows no such commit.",
    ]);
  });
});

test("the hook verifies before each push, against the base where there is one", async () => {
  const root = await mkdtemp(join(tmpdir(), "tidemark-hook-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const git = (...args: readonly string[]) =>
    run("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args], { cwd: root });
  await git("init", "--quiet", "--bare", "remote.git");
  await git("init", "--quiet", "--initial-branch=main", ".");
  const say =
    "node -e \"require('fs').appendFileSync('said', process.argv.slice(1).join(' ') + '\\n')\" --";
  await writeFile(join(root, "package.json"), JSON.stringify({ scripts: { "db:verify": say } }));
  await mkdir(join(root, ".git/hooks"), { recursive: true });
  await symlink(resolve("docs/pre-push"), join(root, ".git/hooks/pre-push"));
  await git("add", "package.json");
  await git("commit", "--quiet", "--message=one");
  await git("remote", "add", "origin", join(root, "remote.git"));
  await git("push", "--quiet", "origin", "main");
  await git("commit", "--quiet", "--allow-empty", "--message=two");
  await git("push", "--quiet", "origin", "main");
  await git("config", "tidemark.base", "HEAD~1");
  await git("push", "--quiet", "origin", "HEAD:refs/heads/other");
  expect(await readFile(join(root, "said"), "utf8")).toBe("\n--base origin/main\n--base HEAD~1\n");

  await writeFile(
    join(root, "package.json"),
    JSON.stringify({ scripts: { "db:verify": "exit 4" } }),
  );
  await expect(git("push", "--quiet", "origin", "HEAD:refs/heads/third")).rejects.toThrow();
});
