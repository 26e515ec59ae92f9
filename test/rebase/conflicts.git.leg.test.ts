import { afterAll, beforeAll, expect, test } from "vitest";
import { type BranchProject, cloneOf, createBranchProject, users } from "../helpers/branches.ts";

let bare: BranchProject;

beforeAll(async () => {
  bare = await createBranchProject("0.31");
});
afterAll(() => bare?.remove());

/** The name of a migration, the schema of `users` that it leads to, options of `generate`. */
type Change = readonly [name: string, body: string, ...options: string[]];

interface Branches {
  readonly mine: Change;
  readonly main: Change;
  /** What a person makes of the schema file; without it git merges it. */
  readonly merged?: string;
}

/** Two branches from the fork, each with a migration of its own; `mine` merges `main`. */
async function branches({ mine, main, merged }: Branches): Promise<BranchProject> {
  const here = await cloneOf(bare);
  const make = async ([name, body, ...options]: Change) => {
    await here.table("users", body);
    await here.done("generate", name, "--no-down", ...options);
    await here.commit(name);
  };
  await here.git("checkout", "--quiet", "-b", "mine");
  await make(mine);
  await here.git("checkout", "--quiet", "main");
  await make(main);
  await here.git("checkout", "--quiet", "mine");
  await here.clash("merge", "main");
  if (merged !== undefined) {
    await here.table("users", merged);
    await here.git("add", "schema");
  }
  return here;
}

const NAME = "middle name: text(),";
const renamed = (body: string) => body.replace('pgTable("users"', 'pgTable("people"');

/** Refused, and nothing written. */
async function refusal(here: BranchProject): Promise<string> {
  const before = await here.files();
  const { code, stderr } = await here.type("rebase", "--base", "main");
  expect(await here.files()).toEqual(before);
  expect(code, stderr).toBe(4);
  return stderr.replace(/^.*: tried behind main\n/gm, "");
}

async function moved(here: BranchProject): Promise<{ stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await here.type("rebase", "--base", "main");
  expect(code, stderr).toBe(0);
  await here.git("add", "--all", ".");
  const left = await here.done("generate", "more", "--no-down");
  expect(left).toContain("Nothing to generate");
  return { stdout, stderr };
}

test("names the migration that renames the table which an own one changes, and the statement", async () => {
  const here = await branches({
    mine: ["nick", users(NAME, "end nick: text(),")],
    main: ["people", renamed(users(NAME)), "--rename-table", "users=people"],
    merged: renamed(users(NAME, "end nick: text(),")),
  });
  expect(await refusal(here)).toMatchInlineSnapshot(`
    "error (conflict) 0002_nick does not run behind the migrations of main:
    drizzle/0001_nick.sql:1:1: relation "users" does not exist

    1 | ALTER TABLE "users" ADD COLUMN "nick" text;
      | ^

    statement 1 of 1, SQLSTATE 42P01
    Both sides change the same: 0001_people renames users (statement 1), and 0002_nick makes users.nick (statement 1).
    Nothing was written. If nobody has applied it, edit drizzle/0001_nick.sql so that it fits what is there by then, and run \`tidemark rebase\` again; or delete it, run \`tidemark rebase\` for the rest, and generate it again with \`tidemark generate\`.
    "
  `);
  // As the error says: nobody has applied it, so it may be edited.
  const sql = await here.read("0001_nick.sql");
  await here.write("drizzle/0001_nick.sql", sql.replace('"users"', '"people"'));
  const { stdout } = await moved(here);
  expect(stdout).toContain("0001_nick → 0002_nick (snapshot: of the Drizzle schema)");
});

test("moves a rename behind a new column of the same table: it runs, and the schema says the same", async () => {
  const here = await branches({
    mine: ["people", renamed(users(NAME)), "--rename-table", "users=people"],
    main: ["age", users("top age: integer(),", NAME)],
    merged: renamed(users("top age: integer(),", NAME)),
  });
  const { stdout, stderr } = await moved(here);
  expect(stdout).toContain("0001_people → 0002_people (snapshot: of the Drizzle schema)");
  expect(stderr).toContain("0001_age makes users.age (statement 1), and 0002_people renames users");
});

test("warns of a column that both change where the schema has what the own one makes of it, and refuses otherwise", async () => {
  const change = {
    mine: ["big", users("middle name: varchar({ length: 200 }),")],
    main: ["small", users("middle name: varchar({ length: 100 }),")],
  } as const;
  const here = await branches({ ...change, merged: change.main[1] });
  expect(await refusal(here)).toMatchInlineSnapshot(`
    "error (conflict) main and this branch both change the same (table public.users, column name type), and once all have run the database is not what the Drizzle schema says:
      column public.users.name: type: expected character varying(100), found character varying(200).
    Nothing was written. Decide what it shall be: correct the schema files, or the SQL of your own migration (if nobody has applied it), and run \`tidemark rebase\` again.
    "
  `);
  await here.table("users", change.mine[1]);
  await here.git("add", "schema");
  const { stderr } = await moved(here);
  expect(stderr.split("\n").filter((line) => line.startsWith("warning"))).toMatchInlineSnapshot(`
    [
      "warning: both sides change table public.users, column name type: the migration of this branch runs last, and the Drizzle schema says the same.",
      "warning: 0001_small changes users.name (statement 1), and 0002_big changes users.name (statement 1): yours runs last.",
    ]
  `);
});

test("names the type that both make", async () => {
  const mood = (...values: readonly string[]) =>
    `export const mood = pgEnum("mood", ${JSON.stringify(values)});\n${users(NAME)}`;
  const here = await branches({
    mine: ["sad", mood("sad", "ok")],
    main: ["happy", mood("ok", "happy")],
    merged: mood("sad", "ok", "happy"),
  });
  // Both make the type: the second cannot.
  expect(await refusal(here)).toContain('type "mood" already exists');
});

test("tells both apart that have one name, and leaves a down file that a person wrote", async () => {
  const here = await branches({
    mine: ["more", users(NAME, "end nick: text(),")],
    main: ["more", users("top age: integer(),", NAME)],
  });
  await here.git("merge", "--abort");
  await here.write("drizzle/0001_more.down.sql", "alter table users drop column nick;\n");
  await here.run(["sum"]);
  await here.commit("the way back");
  await here.clash("merge", "main");
  const { stdout } = await moved(here);
  expect(stdout).toContain("✓ drizzle/0002_more.down.sql unchanged: proven");
  expect(await here.read("0001_more.sql")).toContain('"age"');
  expect(await here.read("0002_more.sql")).toContain('"nick"');
  const files = Object.keys(await here.files());
  expect(files).not.toContain("0001_more.down.sql");
  expect(await here.done("rebase", "--base", "main")).toContain("Nothing to move");
});

test("does not guess while schema files hold conflicts, nor for other files of the folder", async () => {
  const here = await branches({
    mine: ["big", users("middle name: varchar({ length: 200 }),")],
    main: ["small", users("middle name: varchar({ length: 100 }),")],
  });
  expect(await refusal(here)).toContain("these files hold conflicts: schema/users.ts\n");
  await here.write(
    "drizzle/before.sql",
    "<<<<<<< HEAD\nselect 1;\n=======\nselect 2;\n>>>>>>> main\n",
  );
  const { code, stderr } = await here.type("rebase", "--base", "main");
  expect(stderr).toContain("main and this branch have both changed drizzle/before.sql.");
  expect(code).toBe(2);
});
