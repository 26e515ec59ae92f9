import { afterAll, describe, expect, test } from "vitest";
import { startTidemark } from "../helpers/cli.ts";
import { createKitProject, type KitProject, schemaModule } from "../helpers/kit-project.ts";
import { screen } from "../helpers/screen.ts";

const USERS = `export const users = pgTable("users", { id: serial().primaryKey(), name: text() });\n`;
const ORGS = `export const orgs = pgTable("orgs", { id: serial().primaryKey() });\n`;

async function project(...args: Parameters<typeof createKitProject>): Promise<KitProject> {
  const made = await createKitProject(...args);
  projects.push(made);
  return made;
}

// Tests that run at the same time have no end of their own to hook on.
const projects: KitProject[] = [];
afterAll(() => Promise.all(projects.map(({ remove }) => remove())));

const shown = async ({ root, run }: KitProject, ...args: readonly string[]) =>
  screen(await run(["generate", ...args]), { project: root }).replace(
    /sha256:[0-9a-f]{64}/g,
    "<sum>",
  );

describe.concurrent("tidemark generate", () => {
  test("makes the folder, then puts one migration after the other, and nothing where nothing changed", async ({
    expect,
  }) => {
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
      Nothing to generate: the schema is as drizzle/0000_create_users has it.
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

  test("--custom makes a file for SQL, whatever the schema is", async ({ expect }) => {
    const here = await project(USERS);
    expect(await shown(here, "fill", "--custom")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Generated drizzle/0000_fill.sql, for SQL of your own.
      Wrote drizzle/tidemark.sum: 1 migration, head <sum>.
      --- stderr
      Next: write SQL into the new file, which is empty, then run \`tidemark sum\`.
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
    ["drizzle.config.mjs", "export default { CONFIG };", []],
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

describe.concurrent("an interrupted generate", () => {
  const afterFirst = async (body: string) => {
    const here = await project(USERS);
    await here.run(["generate", "users"]);
    await here.schema(`${USERS}${ORGS}${body}`);
    return { here, before: await here.files() };
  };

  test("leaves the folder as it was where drizzle-kit is killed", async ({ expect }) => {
    const { here, before } = await afterFirst(`process.kill(process.pid, "SIGKILL");`);
    expect(await shown(here)).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (config) drizzle-kit generate was ended by SIGKILL, without a word.
      Nothing was written: the migrations folder is as it was.
      "
    `);
    expect(await here.files()).toEqual(before);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("leaves it as it was at %s, and drizzle-kit ends too", async (signal, exitCode) => {
    const { here, before } = await afterFirst(
      `require("node:fs").writeFileSync("pid.tmp", String(process.pid));
       require("node:fs").renameSync("pid.tmp", "pid");
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`,
    );
    const running = startTidemark(["generate"], { cwd: here.root });
    await expect.poll(() => here.readAt("pid"), { timeout: 20_000, interval: 20 }).not.toBe("");
    const pid = Number(await here.readAt("pid"));
    running.child.kill(signal);
    const { code, stderr } = await running.end;
    expect(stderr).toBe(
      "error (canceled) Canceled.\nNothing was written: the migrations folder is as it was.\n",
    );
    expect(code).toBe(exitCode);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    expect(await here.files()).toEqual(before);
  });

  test("that was killed while it kept is explained by the next: files without an entry", async () => {
    const { here, before } = await afterFirst("");
    await here.write("drizzle/0001_orgs.sql", "create table");
    const occupied = await here.run(["generate", "orgs"]);
    expect(occupied.stderr).toContain("drizzle/0001_orgs.sql is there already, with another text");
    expect(occupied.code).toBe(2);
    await here.write("drizzle/meta/0001_snapshot.json", before["meta/0000_snapshot.json"] ?? "");
    const orphan = await here.run(["generate", "orgs"]);
    expect(orphan.stderr).toContain(
      "drizzle has snapshots that belong to no migration: meta/0001_snapshot.json.",
    );
    expect(orphan.code).toBe(2);
    await here.delete("drizzle/0001_orgs.sql");
    await here.delete("drizzle/meta/0001_snapshot.json");
    expect(await here.files()).toEqual(before);
  });

  test("that was killed before the sum is explained by the next", async () => {
    const { here, before } = await afterFirst("");
    await here.run(["generate", "orgs"]);
    await here.write("drizzle/tidemark.sum", before["tidemark.sum"] ?? "");
    const { code, stderr } = await here.run(["generate"]);
    expect(stderr).toContain("0001_orgs.sql is not listed");
    expect(stderr).toContain("`tidemark sum`");
    expect(code).toBe(2);
  });

  test("that was the first and was killed is explained by the next", async () => {
    const here = await project(USERS);
    await here.write("drizzle/meta/0000_snapshot.json", "{}");
    const { code, stderr } = await here.run(["generate"]);
    expect(stderr).toContain("drizzle/meta is there, and no drizzle/meta/_journal.json.");
    expect(code).toBe(2);
  });
});
