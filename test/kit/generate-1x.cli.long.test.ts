import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createKitProject, type KitProject } from "../helpers/kit-project.ts";
import { screen } from "../helpers/screen.ts";

const USERS = `export const users = pgTable("users", { id: serial().primaryKey(), name: text() });\n`;
const ORGS = `export const orgs = pgTable("orgs", { id: serial().primaryKey() });\n`;

async function project(body?: string, config?: object): Promise<KitProject> {
  const made = await createKitProject(body, config, { kit: "1.x" });
  onTestFinished(made.remove);
  return made;
}

/** A text with `<time>` for the times in the names of migrations. */
const timeless = (text: string) =>
  text.replace(/\d{14}_/g, "<time>_").replace(/sha256:[0-9a-f]{64}/g, "<sum>");

const shown = async ({ root, run }: KitProject, ...args: readonly string[]) =>
  timeless(screen(await run(["generate", ...args]), { project: root }));

const names = async (here: KitProject) => Object.keys(await here.files()).map(timeless);

/** The SQL of the migration with a name. */
async function sqlOf(here: KitProject, name: string): Promise<string> {
  const files = Object.entries(await here.files());
  return files.find(([path]) => path.endsWith(`_${name}/migration.sql`))?.[1] ?? "";
}

describe("tidemark generate with drizzle-kit 1.x", () => {
  let first: KitProject;
  beforeAll(async () => {
    first = await createKitProject(USERS, undefined, { kit: "1.x" });
    await first.run(["generate", "create_users"]);
  });
  afterAll(() => first.remove());

  /** A project with one migration, and a schema that goes further. */
  const continued = async (body: string) => {
    const here = await project(body);
    await here.continueFrom(first);
    return { here, before: await here.files() };
  };

  test("makes the folder, then puts one migration after the other, and nothing where nothing changed", async () => {
    const here = await project(USERS);
    expect(await shown(here, "create_users")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Generated drizzle/<time>_create_users/migration.sql (1 statement):
        CREATE TABLE "users" ( "id" serial PRIMARY KEY, "name" text )
      Wrote drizzle/tidemark.sum: 1 migration, head <sum>.
      --- stderr
      Next: read drizzle/<time>_create_users/migration.sql, then run \`tidemark migrate\`.
      "
    `);
    expect(await names(here)).toEqual([
      "<time>_create_users/migration.sql",
      "<time>_create_users/snapshot.json",
      "tidemark.sum",
    ]);
    const before = await here.files();
    expect(await shown(here)).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Nothing to generate: the schema matches drizzle/<time>_create_users.
      "
    `);
    expect(await here.files()).toEqual(before);

    await here.schema(USERS + ORGS);
    const { stdout } = await here.run(["generate", "add_orgs", "--json"]);
    expect(JSON.parse(timeless(stdout))).toMatchObject({
      outcome: "generated",
      tag: "<time>_add_orgs",
      file: "drizzle/<time>_add_orgs/migration.sql",
      statements: 1,
      sum: { file: "drizzle/tidemark.sum", migrations: 2 },
    });
    expect(await here.files()).toMatchObject({ ...before, "tidemark.sum": expect.any(String) });
    expect((await here.run(["sum", "--json"])).code).toBe(0);
    expect(timeless(await here.read("tidemark.sum"))).toBe(
      "<sum>\n<time>_create_users/migration.sql <sum>\n<time>_add_orgs/migration.sql <sum>\n",
    );
  });

  test("asks what was renamed, and writes nothing until that is answered", async () => {
    const { here, before } = await continued(USERS.replace("name:", "full_name:"));
    expect(await shown(here, "rename")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) Renamed, or dropped and added? drizzle-kit needs an answer:
        column users.full_name is new, users.name is gone:
          --rename users.name=full_name
      Nothing was written. Generate again with the options that apply; --no-renames treats every other change as drop and create (data is lost).
      "
    `);
    expect(await shown(here, "rename", "--rename", "users.nam=full_name")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) --rename users.nam=full_name: it answers no question of drizzle-kit, which asks where something is gone and something else of its kind is new.
      Nothing was written. These could have been renamed:
        --rename users.name=full_name
      "
    `);
    expect(await here.files()).toEqual(before);

    expect(await shown(here, "rename", "--rename", "users.name=full_name")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Generated drizzle/<time>_rename/migration.sql (1 statement):
        ALTER TABLE "users" RENAME COLUMN "name" TO "full_name"
      Wrote drizzle/tidemark.sum: 2 migrations, head <sum>.
      --- stderr
      Next: read drizzle/<time>_rename/migration.sql, then run \`tidemark migrate\`.
      "
    `);
  });

  test("drops and creates what no option names, with --no-renames", async () => {
    const { here } = await continued(USERS.replace("name:", "full_name:"));
    expect(await shown(here, "other", "--no-renames")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Generated drizzle/<time>_other/migration.sql (2 statements):
        ALTER TABLE "users" ADD COLUMN "full_name" text
        ALTER TABLE "users" DROP COLUMN "name"
      Wrote drizzle/tidemark.sum: 2 migrations, head <sum>.
      --- stderr
      warning: treated as drop and create (--no-renames), column: users.name DROPPED, with everything in it; users.full_name added.
      Next: read drizzle/<time>_other/migration.sql, then run \`tidemark migrate\`.
      "
    `);
  });

  test("asks about the columns of a renamed table, by its old name and its new one", async () => {
    const { here } = await continued(
      USERS.replace('"users"', '"people"').replace("name:", "full:"),
    );
    const table = ["people", "--rename-table", "users=people"];
    expect(await shown(here, ...table)).toContain("--rename people.name=full");
    expect(await shown(here, ...table, "--rename", "users.name=full")).toContain("exit code 0");
    expect(await sqlOf(here, "people")).toBe(
      'ALTER TABLE "users" RENAME TO "people";--> statement-breakpoint\n' +
        'ALTER TABLE "people" RENAME COLUMN "name" TO "full";',
    );
  });

  test("asks of a table with other indexes and keys only what an option can answer", async () => {
    const here = await project(
      `export const t = pgTable("t", { a: integer(), b: integer() }, (t) => [index("a_idx").on(t.a)]);`,
    );
    await here.run(["generate", "t"]);
    await here.schema(
      `export const t = pgTable("t", { a: integer(), b: integer() }, (t) => [index("b_idx").on(t.b)]);`,
    );
    expect((await here.run(["generate", "other_index"])).code).toBe(0);
    expect(await sqlOf(here, "other_index")).toContain('DROP INDEX "a_idx"');
  });

  test("--custom makes a file for SQL, whatever the schema is", async () => {
    const { here, before } = await continued(USERS + ORGS);
    expect(await shown(here, "by_hand", "--custom")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Generated drizzle/<time>_by_hand/migration.sql, for your own SQL.
      Wrote drizzle/tidemark.sum: 2 migrations, head <sum>.
      --- stderr
      Next: write your SQL into the new file, then run \`tidemark sum\`.
      "
    `);
    expect(await sqlOf(here, "by_hand")).toMatch(/^-- Custom SQL migration file/);
    expect(Object.keys(await here.files())).toHaveLength(Object.keys(before).length + 2);
    // What the schema has is still to be generated.
    expect((await here.run(["generate", "orgs"])).code).toBe(0);
    expect(await sqlOf(here, "orgs")).toContain('CREATE TABLE "orgs"');
  });

  test.each([
    ["drizzle.config.js", `export default`],
    ["drizzle.config.json", ""],
    ["conf/kit.ts", `export default`],
  ])("is told by %s what drizzle-kit is told", async (file, text) => {
    const here = await project(USERS);
    await here.delete("drizzle.config.ts");
    await here.write("package.json", `{"type": "module"}`);
    await here.write(
      file,
      `${text} ${JSON.stringify({ dialect: "postgresql", schema: ["./schema.ts"], breakpoints: false })}`,
    );
    const named = file.startsWith("conf/") ? ["--config", file] : [];
    expect((await here.run(["generate", "users", ...named])).stderr).not.toContain("error");
    expect(await names(here)).toContain("<time>_users/migration.sql");
  });

  test("dates a migration after the newest, though the clock is behind and drizzle-kit does not know it", async () => {
    const { here } = await continued(USERS + ORGS);
    await here.write("drizzle/29990101000000_by_hand/migration.sql", "select 1;");
    await here.run(["sum"]);
    const { stderr } = await here.run(["generate", "orgs"]);
    expect(timeless(stderr)).toContain("<time>_by_hand has no snapshot");
    expect(stderr).toContain(
      "29990101000001_orgs is dated just after it, because migrations run in the order of their names",
    );
    expect(await names(here)).toContain("<time>_orgs/snapshot.json");
    expect((await here.files())["29990101000001_orgs/migration.sql"]).toContain("orgs");
    expect((await here.run(["generate"])).stdout).toContain("matches drizzle/29990101000001_orgs");
  });

  test("warns of a schema, an enum and a sequence that nothing makes", async () => {
    const here = await project(`
      const app = pgSchema("app");
      const mood = pgEnum("mood", ["sad", "ok"]);
      export const t = app.table("t", { no: integer().default(sql\`nextval('no')\`), mood: mood() });
    `);
    const { stderr } = await here.run(["generate", "t"]);
    expect(stderr).toContain("nothing makes the schema app");
    expect(stderr).toContain("nothing makes the enum mood");
    expect(stderr).toContain("nothing makes the sequence no");
  });
});
