import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { createDatabase } from "../helpers/database.ts";
import { createKitProject, type KitProject } from "../helpers/kit-project.ts";
import { screen } from "../helpers/screen.ts";

/** A project with a migration of the first schema, and with the second schema now. */
async function changed(before: string, after: string): Promise<KitProject> {
  const project = await createKitProject(before);
  onTestFinished(project.remove);
  const { code, stderr } = await project.run(["generate", "before"]);
  if (code !== 0) throw new Error(stderr);
  await project.schema(after);
  return project;
}

const users = (column: string) =>
  `export const users = pgTable("users", { id: serial().primaryKey(), ${column}: text() });`;

/** One of each kind that drizzle-kit asks about. */
const everything = (word: string) => `
  export const app = pgSchema("app_${word}");
  export const stuff = app.table("stuff", { id: serial().primaryKey() });
  export const mood = pgEnum("mood_${word}", ["a", "b"]);
  export const no = pgSequence("no_${word}");
  export const role = pgRole("role_${word}");
  export const things = pgTable("odd.${word} thing", { id: serial().primaryKey() });
  export const rules = pgTable("rules", { id: serial().primaryKey(), "it's ${word}": text() },
    () => [pgPolicy("policy $${word}", { for: "select", using: sql\`true\` })]);
  export const busy = pgView("busy_${word}", { id: integer() }).as(sql\`select 1 as id\`);`;

describe("a rename without a terminal", () => {
  test("that nobody has answered fails, and lists what to paste", async () => {
    const here = await changed(everything("old"), everything("new"));
    const before = await here.files();
    expect(screen(await here.run(["generate", "renamed"]))).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) Renamed, or dropped and added? drizzle-kit needs an answer:
        schema app_new is new, app_old is gone:
          --rename-schema app_old=app_new
        enum mood_new is new, mood_old is gone:
          --rename-enum mood_old=mood_new
        sequence no_new is new, no_old is gone:
          --rename-sequence no_old=no_new
        role role_new is new, role_old is gone:
          --rename-role role_old=role_new
        table "odd.new thing" is new, "odd.old thing" is gone:
          --rename-table '"odd.old thing"="odd.new thing"'
        column rules."it's new" is new, rules."it's old" is gone:
          --rename 'rules."it'\\''s old"="it'\\''s new"'
        policy rules."policy $new" is new, rules."policy $old" is gone:
          --rename-policy 'rules."policy $old"="policy $new"'
        view busy_new is new, busy_old is gone:
          --rename-view busy_old=busy_new
      Nothing was written. Generate again with the options that apply; --no-renames treats every other change as drop and create (data is lost). What lies in a schema that is not renamed is asked about next.
      "
    `);
    expect(await here.files()).toEqual(before);
  });

  test("is one, of every kind, with the options as they were printed", async () => {
    const here = await changed(everything("old"), everything("new"));
    const asked = await here.run(["generate", "--json"]);
    const { error, questions } = JSON.parse(asked.stdout) as {
      error: object;
      questions: readonly { kind: string; renames: readonly { from: string; option: string }[] }[];
    };
    expect(error).toMatchObject({ code: "usage", exitCode: 2 });
    expect(questions[0]).toEqual({
      kind: "schema",
      added: "app_new",
      renames: [{ from: "app_old", option: "--rename-schema app_old=app_new" }],
    });
    const options = questions.map(({ renames }) => renames[0]?.option).join(" ");
    const typed = `"${process.execPath}" "${join(inject("build"), "cli/main.js")}" generate renamed`;
    await promisify(execFile)("sh", ["-c", `${typed} ${options}`], { cwd: here.root });
    const statements = (await here.read("0001_renamed.sql")).split("--> statement-breakpoint\n");
    expect(statements.map((statement) => statement.trim())).toEqual([
      'ALTER SCHEMA "app_old" RENAME TO "app_new";',
      'ALTER TYPE "public"."mood_old" RENAME TO "mood_new";',
      'ALTER SEQUENCE "public"."no_old" RENAME TO "no_new";',
      'ALTER ROLE "role_old" RENAME TO "role_new";',
      'ALTER VIEW "public"."busy_old" RENAME TO "busy_new";',
      'ALTER TABLE "odd.old thing" RENAME TO "odd.new thing";',
      `ALTER TABLE "rules" RENAME COLUMN "it's old" TO "it's new";`,
      'ALTER POLICY "policy $old" ON "rules" RENAME TO "policy $new";',
    ]);
  });

  test("is one in the database too: no row is lost", async () => {
    const here = await changed(
      `export const app = pgSchema("app"); ${users("name")}
       export const posts = pgTable("posts", { id: serial().primaryKey() });`,
      `export const app = pgSchema("app");
       export const users = pgTable("people", { id: serial().primaryKey(), full_name: text() });
       export const posts = app.table("posts", { id: serial().primaryKey() });`,
    );
    const database = await createDatabase();
    try {
      const env = { DATABASE_URL: database.url };
      await here.run(["migrate"], env);
      await database.sql`insert into users (name) values ('ada')`;
      await database.sql`insert into posts default values`;
      const flags = ["--rename-table", "users=people", "--rename-table", "posts=app.posts"];
      const { stdout } = await here.run([
        "generate",
        "people",
        ...flags,
        "--rename",
        "users.name=full_name",
        "--json",
      ]);
      expect(JSON.parse(stdout)).toMatchObject({
        outcome: "generated",
        renamed: [
          { kind: "table", from: "posts", to: "app.posts" },
          { kind: "table", from: "users", to: "people" },
          { kind: "column", from: "people.name", to: "people.full_name" },
        ],
        assumed: [],
      });
      expect((await here.run(["migrate"], env)).code).toBe(0);
      expect(await database.sql`select full_name from people`).toEqual([{ full_name: "ada" }]);
      expect(await database.sql`select id from app.posts`).toEqual([{ id: 1 }]);
    } finally {
      await database.drop();
    }
  });

  test("with --no-renames is a drop and an add, said loudly", async () => {
    const here = await changed(users("name"), users("full_name"));
    const { code, stdout, stderr } = await here.run([
      "generate",
      "lossy",
      "--no-renames",
      "--quiet",
    ]);
    expect(stderr).toMatchInlineSnapshot(`
      "warning: treated as drop and create (--no-renames), column: users.name DROPPED, with everything in it; users.full_name added.
      "
    `);
    expect(stdout).toContain('ALTER TABLE "users" DROP COLUMN "name"');
    expect(code).toBe(0);
  });

  test("with --no-renames beside others is what they say; the rest is dropped and added", async () => {
    const two = (a: string, b: string) =>
      `export const t = pgTable("t", { ${a}: text(), ${b}: text() });`;
    const here = await changed(two("a", "b"), two("x", "y"));
    const flags = ["--rename", "t.b=x", "--no-renames", "--json"];
    const { stdout } = await here.run(["generate", "both", ...flags]);
    expect(JSON.parse(stdout)).toMatchObject({
      renamed: [{ kind: "column", from: "t.b", to: "t.x" }],
      assumed: [{ kind: "column", dropped: ["t.a"], added: ["t.y"] }],
    });
    expect(await here.read("0001_both.sql")).toMatch(
      /RENAME COLUMN "b" TO "x";.*ADD COLUMN "y" text;.*DROP COLUMN "a";/s,
    );
  });

  test("that answers nothing is refused, with what there was to rename", async () => {
    const here = await changed(users("name"), users("full_name"));
    const before = await here.files();
    const typo = await here.run(["generate", "--rename", "users.nme=full_name", "--no-renames"]);
    expect(screen(typo)).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) --rename users.nme=full_name: it answers no question of drizzle-kit, which asks where something is gone and something else of its kind is new.
      Nothing was written. These could have been renamed:
        --rename users.name=full_name
      "
    `);
    await here.schema(users("name"));
    const { code, stderr } = await here.run(["generate", "--rename-table", "users=people"]);
    expect(stderr).toContain("Nothing could have been renamed.");
    expect(code).toBe(2);
    expect(await here.files()).toEqual(before);
  });

  test("that cannot be read is refused before anything runs, with all that is wrong", async () => {
    const here = await createKitProject(`throw new Error("was run");`);
    onTestFinished(here.remove);
    const flags = ["--rename", "name=full_name", "--rename-role", "a.b=c"];
    expect(screen(await here.run(["generate", ...flags]))).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) --rename is "name=full_name", where old=new is expected, as in users.name=full_name;
      --rename-role is "a.b=c", where old=new is expected, as in reader=viewer.
      Nothing was run. Quote names with dots or special characters as in SQL: '"odd.table".x=y'.
      "
    `);
  });
});
