import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, inject, onTestFinished, test } from "vitest";
import { createProject } from "../helpers/project.ts";

/** Two branches without drizzle-kit: `mine` adds a column, `main` runs this; `mine` is checked out. */
async function twoBranches(main: string) {
  const here = await createProject({ "0000_users": "create table users (id int);\n" });
  onTestFinished(here.remove);
  const git = (...args: readonly string[]) => {
    const who = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
    return promisify(execFile)("git", [...who, ...args], { cwd: here.root });
  };
  const commit = async (tag: string, sql: string) => {
    await here.write(`drizzle/${tag}.sql`, sql);
    await here.list(["0000_users", tag]);
    await git("add", "--all", ".");
    await git("commit", "--quiet", `--message=${tag}`);
  };
  await git("init", "--quiet", "--initial-branch=main");
  await commit("0000_users", "create table users (id int);\n");
  await here.list(["0000_users"]);
  await git("commit", "--quiet", "--all", "--amend", "--message=fork");
  await git("checkout", "--quiet", "-b", "mine");
  await here.write("drizzle/0001_nick.down.sql", "alter table users drop column nick;\n");
  await commit("0001_nick", "alter table users add nick text;\n");
  await git("checkout", "--quiet", "main");
  await commit("0001_maps", main);
  await git("checkout", "--quiet", "mine");
  return { here, git, rebase: ["rebase", "--base", "main", "--scratch-url", inject("serverUrl")] };
}

test("moves what a squash merge of the base left, which git does not know as a merge", async () => {
  const { here, git, rebase } = await twoBranches("create table maps (id int);\n");
  await git("merge", "--squash", "main").catch(() => undefined);
  const { code, stdout, stderr } = await here.run(rebase);
  expect(stdout, stderr).toContain("0001_nick → 0002_nick");
  expect(code).toBe(0);
  await git("add", "--all", ".");
  await git("commit", "--quiet", "--message=squashed");
  expect((await here.run(rebase)).stdout).toContain("Nothing to move");
});

test("does not take a shallow clone that lacks the fork for a merged one", async () => {
  const { here, git, rebase } = await twoBranches("create table maps (id int);\n");
  const { stdout: tips } = await git("rev-parse", "mine", "main");
  await here.write(".git/shallow", tips);
  const { code, stderr } = await here.run(rebase);
  expect(stderr).toContain("this clone has no commit that it and this branch share.");
  expect(code).toBe(2);
});

test("does not take the migrations of a remote base for own ones where the local base is behind it", async () => {
  const { here, git, rebase } = await twoBranches("create table maps (id int);\n");
  await git("update-ref", "refs/remotes/origin/main", "main");
  await git("branch", "--force", "main", "main~1");
  await git("merge", "origin/main").catch(() => undefined);
  const { code, stderr } = await here.run(rebase);
  expect(stderr).toMatch(
    /^error \(usage\) origin\/main is in this branch, or on its way in, and has commits that main does not have\./,
  );
  expect(stderr).toContain("`tidemark rebase --base origin/main`");
  expect(code).toBe(2);
  // As `git pull` leaves it, of somebody who works on the base itself.
  await git("merge", "--abort");
  await git("branch", "--force", "main", "mine");
  await git("checkout", "--quiet", "main");
  await git("merge", "origin/main").catch(() => undefined);
  expect((await here.run(rebase)).code).toBe(2);
  const remote = await here.run(rebase.map((arg) => (arg === "main" ? "origin/main" : arg)));
  expect(remote.stdout).toContain("0001_nick → 0002_nick");
});

test("moves SQL of a project without drizzle-kit, and says what could not be asked and tried", async () => {
  const { here, git, rebase } = await twoBranches("create extension tidemark_nowhere;\n");
  await git("merge", "main").catch(() => undefined);

  const unreachable = "postgres://nobody@127.0.0.1:1/nothing";
  const args = [...rebase, "--json", "--connect-timeout", "1"];
  const named = await here.run([...args, "--url", unreachable]);
  expect(named.code).toBe(1);
  const { code, stdout, stderr } = await here.run(args, { DATABASE_URL: unreachable });
  expect(code, stderr).toBe(0);
  const { moved, database, left, warnings, written, deleted } = JSON.parse(stdout) as {
    database: { asked: boolean; reason: string };
    warnings: readonly string[];
  } & Record<string, unknown>;
  expect({ moved, left, written, deleted }).toEqual({
    moved: [
      {
        ...{ from: "0001_nick", to: "0002_nick", file: "drizzle/0002_nick.sql" },
        ...{ when: expect.any(Number), snapshot: "none", down: null },
      },
    ],
    left: null,
    written: ["0002_nick.sql", "0002_nick.down.sql", "meta/_journal.json"],
    deleted: ["0001_nick.down.sql", "0001_nick.sql"],
  });
  expect(database.asked).toBe(false);
  expect(database.reason).toContain("127.0.0.1:1");
  expect(warnings.map((warning) => warning.split(":")[0])).toEqual([
    "the Drizzle schema was not compared with the newest snapshot",
    "the migrations were not tried behind those of main, and their down files stay as they were",
  ]);
  expect((await readdir(join(here.root, "drizzle"))).toSorted()).toEqual([
    ...["0000_users.sql", "0001_maps.sql", "0002_nick.down.sql", "0002_nick.sql", "meta"],
  ]);
  const journal = await readFile(join(here.root, "drizzle/meta/_journal.json"), "utf8");
  expect(
    (JSON.parse(journal) as { entries: { tag: string }[] }).entries.map(({ tag }) => tag),
  ).toEqual(["0000_users", "0001_maps", "0002_nick"]);
});
