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

/** One whose `main` was never verified: a change was not generated, another edited after it was. */
async function neglected(): Promise<VerifyProject> {
  const here = await repository();
  const schema = await here.readAt("schema.ts");
  await here.write("schema.ts", schema.replace("name: text(),", "name: text(), nick: text(),"));
  const sql = await here.read("0000_create_users.sql");
  await here.write("drizzle/0000_create_users.sql", sql.replace('("name")', '("name","age")'));
  await here.run(["sum"]);
  await commit(here, "what nobody has noticed");
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
    expect((await here.type("down-file", "0003_mine")).code).toBe(0);
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
      "error drizzle/0000_create_users.sql:2 drizzle/0000_create_users.sql differs from main, from line 2 on.",
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

  test("passes an untouched base, whatever its schema and its replay say", async () => {
    const here = await neglected();
    const { code, notPassed, found } = await here.verify("--base", "main");
    expect({ code, notPassed }).toEqual({ code: 0, notPassed: [] });
    expect(found("schema")).toEqual([
      'warning - main has changes in its Drizzle schema that no migration has: ALTER TABLE "users" ADD COLUMN "nick" text',
    ]);
    expect(found("drizzle")).toEqual([
      expect.stringMatching(/^warning - table public\.notes is not expected/),
      expect.stringMatching(/^warning - index public\.users_name_idx: definition: /),
    ]);
  });

  test("holds against the branch what it adds to that, and nothing else", async () => {
    const here = await neglected();
    await here.git("checkout", "--quiet", "-b", "mine");
    const schema = await here.readAt("schema.ts");
    await here.write("schema.ts", schema.replace("name: text(),", "name: text(), bio: text(),"));
    const mine = await here.verify("--base", "main");
    expect(mine.notPassed).toEqual(["schema failed"]);
    expect(mine.found("schema")).toEqual([
      'error - The Drizzle schema has changes that no migration has: ALTER TABLE "users" ADD COLUMN "bio" text',
      expect.stringMatching(/^warning - main has changes .* ADD COLUMN "nick" text$/),
    ]);

    await here.run(["generate", "mine"]);
    const made = await here.read("0003_mine.sql");
    await here.write("drizzle/0003_mine.sql", made.replace('"bio" text', '"bio" varchar'));
    await here.type("down-file", "0003_mine");
    const edited = await here.verify("--base", "main");
    expect(edited.notPassed).toEqual(["drizzle failed"]);
    expect(edited.found("drizzle")).toEqual([
      expect.stringMatching(/^warning - table public\.notes /),
      "error - column public.users.bio: type: expected text, found character varying.",
      expect.stringMatching(/^warning - index public\.users_name_idx: /),
    ]);
  });

  test("holds a fork of the snapshots against nobody who has not made it", async () => {
    const here = await repository();
    const first = JSON.parse(await here.read("meta/0001_snapshot.json"));
    const second = JSON.parse(await here.read("meta/0002_snapshot.json"));
    const forked = JSON.stringify({ ...second, prevId: first.prevId });
    await here.write("drizzle/meta/0002_snapshot.json", forked);
    const onMain = await here.verify("--base", "main");
    expect(onMain.notPassed).toEqual(["schema failed", "files failed"]);
    await commit(here, "forked");
    const { code, notPassed, found } = await here.verify("--base", "main");
    expect({ code, notPassed }).toEqual({ code: 0, notPassed: [] });
    expect([...found("schema"), ...found("files")]).toEqual([
      expect.stringMatching(/^warning - The snapshots .* follow the same one/),
      expect.stringMatching(/^warning .* The snapshots .* follow the same one/),
    ]);
  });

  test("says so where what the base has already cannot be told, and fails", async () => {
    const here = await repository();
    await here.write("drizzle.config.ts", "export default 1;");
    await commit(here, "no configuration");
    await here.write(
      "drizzle.config.ts",
      'export default { dialect: "postgresql", schema: "./schema.ts" };',
    );
    const schema = await here.readAt("schema.ts");
    await here.write("schema.ts", schema.replace("name: text(),", "name: text(), nick: text(),"));
    const { notPassed, report } = await here.verify("--base", "main");
    expect(notPassed).toEqual(["schema failed"]);
    expect(report.checks[0]?.detail).toMatch(/^could not check main for the same: drizzle-kit/);
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
