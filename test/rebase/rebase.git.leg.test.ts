import { readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { swapIn, swapTo } from "../../src/db/rebase/swap.ts";
import {
  type BranchProject,
  cloneOf,
  createBranchProject,
  orgs,
  users,
} from "../helpers/branches.ts";
import { createDatabase } from "../helpers/database.ts";
import { migrateWithDrizzle } from "../helpers/drizzle-migrators.ts";
import { readmeExample } from "../helpers/readme-examples.ts";

let original: BranchProject;

/**
 * `main` adds a column `age`; the branch `mine` adds a table, fills it by hand without a snapshot, and adds a column:
 * three migrations, of which the first has the number of `main`'s.
 */
beforeAll(async () => {
  original = await createBranchProject("0.31");
  const { git, commit, done, table, write } = original;
  await git("checkout", "--quiet", "-b", "mine");
  await table("orgs", orgs);
  await done("generate", "orgs");
  await commit("orgs");
  await done("generate", "fill", "--custom");
  await write("drizzle/0002_fill.sql", "insert into orgs (name) values ('one');\n");
  await original.delete("drizzle/meta/0002_snapshot.json");
  await done("down-file", "0002_fill");
  await commit("fill");
  await table("users", users("middle name: text(),", "end nick: text(),"));
  await done("generate", "nick");
  await commit("nick");
  await git("checkout", "--quiet", "main");
  await table("users", users("top age: integer(),", "middle name: text(),"));
  await done("generate", "age");
  await commit("age");
  await git("checkout", "--quiet", "mine");
});
afterAll(() => original?.remove());

const MOVED = ["0000_users", "0001_age", "0002_orgs", "0003_fill", "0004_nick"];

/** What a rebase must leave, however the merge was left. */
async function expectMoved(here: BranchProject): Promise<void> {
  const journal = await here.journal();
  expect(journal.map(({ tag }) => tag)).toEqual(MOVED);
  expect(journal.map(({ idx }) => idx)).toEqual([0, 1, 2, 3, 4]);
  const times = journal.map(({ when }) => when);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(Object.keys(await here.files()).filter((file) => !file.includes("/"))).toEqual([
    ...MOVED.flatMap((tag) => [`${tag}.down.sql`, `${tag}.sql`]),
    "tidemark.sum",
  ]);
  expect(await here.read("0003_fill.sql")).toBe("insert into orgs (name) values ('one');\n");
  expect(await here.read("0004_nick.down.sql")).toMatch(/^-- Takes back 0004_nick\.sql\. Proven/);
  const again = await here.done("rebase", "--base", "main");
  expect(again).toBe("Nothing to move: the migrations of this branch come behind those of main.\n");
}

test("moves three migrations out of a merge that left conflict markers in journal, snapshot and sum", async () => {
  const here = await cloneOf(original);
  await here.clash("merge", "main");
  for (const file of ["meta/_journal.json", "meta/0001_snapshot.json", "tidemark.sum"])
    expect(await here.read(file)).toContain("<<<<<<<");
  const before = await here.files();
  await here.git("update-ref", "refs/remotes/origin/main", "main");
  // As the README's table has it: `tidemark rebase --base origin/main --dry-run`.
  const planned = await here.done(...(await readmeExample("rebase")));
  expect(planned).toContain(
    "Would move 3 migrations behind those of origin/main. Nothing was written.",
  );
  expect(await here.files()).toEqual(before);

  const { code, stdout, stderr } = await here.type("rebase", "--base", "main");
  expect({ code, stdout, stderr }).toMatchInlineSnapshot(`
    {
      "code": 0,
      "stderr": "0002_orgs: tried behind main
    0003_fill: tried behind main
    0004_nick: tried behind main
    No database was asked whether it has run them: no database is configured.
    Next: \`git add --all drizzle\`, finish the merge, then \`tidemark verify --base main\`.
    ",
      "stdout": "0001_orgs → 0002_orgs (snapshot: derived)
    ✓ drizzle/0002_orgs.down.sql renewed: proven, loses table orgs
    0002_fill → 0003_fill (snapshot: none)
    ✓ drizzle/0003_fill.down.sql renewed: proven
    0003_nick → 0004_nick (snapshot: derived)
    ✓ drizzle/0004_nick.down.sql renewed: proven, loses column users.nick
    Moved 3 migrations behind those of main.
    ",
    }
  `);
  expect(await readFile("docs/rebasing.md", "utf8")).toContain(stdout);
  await expectMoved(here);
  await here.commit("merged");
  const verified = await here.type("verify", "--base", "main", "--json");
  const { checks } = JSON.parse(verified.stdout) as { checks: { name: string; status: string }[] };
  expect(
    checks.filter(({ status }) => status !== "passed"),
    verified.stderr,
  ).toEqual([]);
  expect(code).toBe(0);
});

test("finishes what was killed on its last steps, and is not tried dry before that", async () => {
  const [here, done] = [await cloneOf(original), await cloneOf(original)];
  for (const { clash } of [here, done]) await clash("merge", "main");
  await done.done("rebase", "--base", "main");
  const [before, after] = [await here.files(), await done.files()];
  const dir = join(here.root, "drizzle");
  const maps = [before, after].map((files) => new Map(Object.entries(files)));
  const [was = new Map(), will = new Map()] = maps;
  let moves = 0;
  const move = async (from: string, to: string) => {
    moves += 1;
    if (moves > 4) throw new Error("killed");
    await rename(from, to);
  };
  await expect(swapIn(dir, await swapTo(dir, was, will), move)).rejects.toThrow("killed");
  const dry = await here.type("rebase", "--base", "main", "--dry-run");
  expect(dry.stderr).toContain("A rebase of drizzle was killed on its last steps.");
  expect(await here.done("rebase", "--base", "main")).toBe(
    "Finished a rebase that was killed on its last steps.\nNothing to move: the migrations of this branch come behind those of main.\n",
  );
  expect(await here.files()).toEqual(after);
});

test.each(["ours", "theirs"] as const)(
  "moves them out of a merge that took %s of the journal and the snapshots",
  async (side) => {
    const here = await cloneOf(original);
    await here.clash("merge", "main");
    await here.git("checkout", `--${side}`, "drizzle/meta", "drizzle/tidemark.sum");
    await here.commit("merged by force");
    await here.done("rebase", "--base", "main");
    await expectMoved(here);
  },
);

test("moves each at its commit, in a rebase of git's", async () => {
  const here = await cloneOf(original);
  await here.clash("rebase", "main");
  for (const _commit of ["orgs", "fill", "nick"]) {
    await here.done("rebase", "--base", "main");
    await here.git("add", "--all", ".");
    await here.clash("rebase", "--continue");
  }
  expect(await here.git("status", "--porcelain")).toBe("");
  expect((await here.git("log", "--format=%s")).trim().split("\n")).toEqual([
    ...["nick", "fill", "orgs", "age", "fork"],
  ]);
  expect((await here.journal()).map(({ tag }) => tag)).toEqual(MOVED);
});

test("is refused before the merge, and has nothing to do on the base", async () => {
  const here = await cloneOf(original);
  const refused = await here.type("rebase", "--base", "main");
  expect(refused.stderr).toMatchInlineSnapshot(`
    "error (usage) main has 0001_age, which this branch does not have yet.
    Nothing was written. Merge it first (\`git merge main\`, or \`git rebase main\`). Leave conflicts in drizzle as they are, settle those in the schema files, and run \`tidemark rebase --base main\` again.
    "
  `);
  expect(refused.code).toBe(2);
  await here.git("checkout", "--quiet", "main");
  expect(await here.done("rebase", "--base", "main")).toContain("Nothing to move");
  const unknown = await here.type("rebase", "--base", "nowhere");
  expect(unknown.stderr).toContain("error (usage) The base nowhere cannot be read in drizzle");
  expect((await here.type("rebase")).stderr).toContain("No base is named.");
});

test("is refused for what the database has run, and for a migration of the base that was edited", async () => {
  const here = await cloneOf(original);
  const { url, name, drop } = await createDatabase();
  onTestFinished(drop);
  expect((await here.run(["migrate", "--url", url])).code).toBe(0);
  await here.clash("merge", "main");
  const before = await here.files();
  const refused = await here.type("rebase", "--base", "main", "--url", url);
  expect(refused.code).toBe(4);
  expect(
    refused.stderr.replace(/^error \(conflict\) \S+/, "…").replaceAll(name, "<database>"),
  ).toMatchInlineSnapshot(`
    "… as postgres has run 0001_orgs, 0002_fill, 0003_nick, and would not know them by another name.
    Nothing was written. If it is a development database, leave the merge (\`git merge --abort\`), then take them back with \`tidemark rollback --to 0000_users\` (or make the database anew), and rebase again. What others' databases have run stays as it is: apply the base's with \`tidemark migrate --allow-out-of-order\`.
    "
  `);
  expect(await here.files()).toEqual(before);
  // Of drizzle's own table, too, before Tidemark has a ledger there.
  await here.git("merge", "--abort");
  const drizzle = await createDatabase();
  onTestFinished(drizzle.drop);
  await migrateWithDrizzle("0.x", { url: drizzle.url, dir: join(here.root, "drizzle") });
  await here.clash("merge", "main");
  const other = await here.type("rebase", "--base", "main", "--url", drizzle.url);
  expect(other.stderr).toContain("has run 0001_orgs, 0002_fill, 0003_nick, and would not know");
  await here.write("drizzle/0000_users.sql", "create table users (id integer);\n");
  const edited = await here.type("rebase", "--base", "main");
  expect(edited.stderr).toContain(
    "drizzle/0000_users.sql differs from main, where it may be applied already.",
  );
  expect(edited.code).toBe(2);
});
