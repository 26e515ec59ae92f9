import { describe, expect, onTestFinished, test } from "vitest";
import { createKitProject, type KitProject, schemaModule } from "../helpers/kit-project.ts";
import { screen } from "../helpers/screen.ts";

const USERS = `export const users = pgTable("users", { id: serial().primaryKey(), name: text() });\n`;
const ORGS = `export const orgs = pgTable("orgs", { id: serial().primaryKey() });\n`;

async function project(...args: Parameters<typeof createKitProject>): Promise<KitProject> {
  const made = await createKitProject(...args);
  onTestFinished(made.remove);
  return made;
}

const shown = async ({ root, run }: KitProject, ...args: readonly string[]) =>
  screen(await run(["generate", ...args]), { project: root }).replace(
    /sha256:[0-9a-f]{64}/g,
    "<sum>",
  );

describe("tidemark generate", () => {
  test("makes the folder, then puts one migration after the other, and nothing where nothing changed", async () => {
    const here = await project(USERS);
    expect(await shown(here, "create_users")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Generated drizzle/0000_create_users.sql (1 statement):
        CREATE TABLE "users" ( "id" serial PRIMARY KEY NOT NULL, "name" text )
      Wrote drizzle/tidemark.sum: 1 migration, head <sum>.
      --- stderr
      Next: read drizzle/0000_create_users.sql, then run \`tidemark migrate\`.
      "
    `);
    expect(Object.keys(await here.files())).toEqual([
      "0000_create_users.sql",
      "meta/0000_snapshot.json",
      "meta/_journal.json",
      "tidemark.sum",
    ]);

    const before = await here.files();
    expect(await shown(here)).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Nothing to generate: the schema matches drizzle/0000_create_users.
      "
    `);
    const nothing = await here.run(["generate", "--json"]);
    expect(JSON.parse(nothing.stdout)).toEqual({
      outcome: "nothing",
      tag: "0000_create_users",
      file: null,
      statements: 0,
      renamed: [],
      assumed: [],
      warnings: [],
      down: null,
      sum: null,
    });
    expect(await here.files()).toEqual(before);

    await here.schema(USERS + ORGS);
    const { stdout, stderr } = await here.run(["generate", "add_orgs", "--json"]);
    expect(JSON.parse(stdout)).toEqual({
      outcome: "generated",
      tag: "0001_add_orgs",
      file: "drizzle/0001_add_orgs.sql",
      statements: 1,
      renamed: [],
      assumed: [],
      warnings: [],
      down: null,
      sum: {
        file: "drizzle/tidemark.sum",
        head: expect.stringMatching(/^sha256:/),
        migrations: 2,
      },
    });
    expect(stderr).toBe("Next: read drizzle/0001_add_orgs.sql, then run `tidemark migrate`.\n");
    expect(await here.files()).toMatchObject({
      "0000_create_users.sql": before["0000_create_users.sql"],
      "meta/0000_snapshot.json": before["meta/0000_snapshot.json"],
    });
    expect(await here.run(["sum"])).toMatchObject({ code: 0 });
    expect(await here.read("tidemark.sum")).toContain("0001_add_orgs.sql sha256:");
  });

  test("--custom makes a file for SQL, whatever the schema is", async () => {
    const here = await project(USERS);
    expect(await shown(here, "fill", "--custom")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Generated drizzle/0000_fill.sql, for your own SQL.
      Wrote drizzle/tidemark.sum: 1 migration, head <sum>.
      --- stderr
      Next: write your SQL into the new file, then run \`tidemark sum\`.
      "
    `);
    expect(await here.read("0000_fill.sql")).toMatch(/^-- Custom SQL migration file/);
    // The schema is still to be generated.
    expect((await here.run(["generate", "users"])).stdout).toContain("drizzle/0001_users.sql");
  });

  test("of an empty schema makes nothing, not even a folder", async () => {
    const here = await project("");
    expect(await shown(here)).toBe(
      "exit code 0\n--- stdout\nNothing to generate: the schema is empty.\n",
    );
    expect(await here.files()).toEqual({});
  });

  test.each([
    ["drizzle.config.js", "module.exports = { CONFIG };", []],
    [
      "drizzle.config.json",
      '{ "dialect": "postgresql", "schema": "./schema.ts", "out": "db" }',
      [],
    ],
    [
      "conf/kit.ts",
      "const out: string = 'db';\nexport default { CONFIG, out };",
      ["--config", "conf/kit.ts"],
    ],
  ])("is told by %s what drizzle-kit is told", async (name, text, args) => {
    const here = await project(`export const users = pgTable("users", { fullName: text() });`);
    await here.delete("drizzle.config.ts");
    const config =
      'dialect: "postgresql", schema: "./schema.ts", out: "./db", casing: "snake_case"';
    await here.write(name, text.replace("CONFIG", config));
    const { code, stdout } = await here.run(["generate", "users", ...args]);
    expect(stdout).toContain("Generated db/0000_users.sql");
    expect(stdout).toContain(name.endsWith("json") ? '"fullName" text' : '"full_name" text');
    expect(code).toBe(0);
    expect(await here.files()).toEqual({});
  });

  test("dates a migration behind the newest where the clock is behind, and says so", async () => {
    const here = await project(USERS);
    await here.run(["generate", "users"]);
    const journal = JSON.parse(await here.read("meta/_journal.json"));
    journal.entries[0].when = Date.parse("2100-01-01T00:00:00Z");
    await here.write("drizzle/meta/_journal.json", JSON.stringify(journal));
    await here.schema(USERS + ORGS);
    const { code, stderr } = await here.run(["generate", "orgs"]);
    expect(stderr).toContain(
      "warning: this clock is behind the newest migration (2100-01-01T00:00:00.000Z)",
    );
    expect(code).toBe(0);
    const { entries } = JSON.parse(await here.read("meta/_journal.json"));
    expect(entries.map(({ when }: { when: number }) => when - journal.entries[0].when)).toEqual([
      0, 1,
    ]);
  });

  test("warns where the newest migration has no snapshot", async () => {
    const here = await project(USERS);
    await here.run(["generate", "users"]);
    await here.run(["generate", "by_hand", "--custom"]);
    await here.delete("drizzle/meta/0001_snapshot.json");
    await here.schema(USERS + ORGS);
    const { code, stdout, stderr } = await here.run(["generate", "orgs"]);
    expect(stderr).toContain(
      "warning: 0001_by_hand has no snapshot: drizzle-kit compares the schema with meta/0000_snapshot.json.",
    );
    expect(stdout).toContain("drizzle/0002_orgs.sql (1 statement)");
    expect(code).toBe(0);
  });

  test("warns of a schema, an enum and a sequence that nothing makes", async () => {
    const here = await project(
      `const app = pgSchema("app");
       const mood = pgEnum("mood", ["a"]);
       const made = pgSchema("made");
       export const x = app.table("x", { no: integer().default(sql\`nextval('order_no')\`), moods: mood().array() });
       export const y = made.table("y", { id: serial() });`,
    );
    await here.run(["generate", "by_hand", "--custom"]);
    await here.write("drizzle/0000_by_hand.sql", "create schema made;");
    await here.run(["sum"]);
    const { code, stdout } = await here.run(["generate", "x", "--json"]);
    expect(code).toBe(0);
    const { warnings } = JSON.parse(stdout) as { warnings: readonly string[] };
    expect(warnings.map((warning) => warning.split(",")[0])).toEqual([
      "nothing makes the schema app",
      "nothing makes the enum mood",
      "nothing makes the sequence order_no",
    ]);
    // They were told once; what is generated next is not the place.
    await here.write("schema.ts", `${schemaModule("")}export const z = pgTable("z", {});\n`);
    expect((await here.run(["generate", "--no-renames", "z"])).stderr).not.toContain(
      "nothing makes",
    );
  });
});
