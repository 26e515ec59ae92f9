import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createKitProject, type KitProject, schemaModule } from "../helpers/kit-project.ts";

const USERS = `export const users = pgTable("users", { id: serial().primaryKey(), name: text() });\n`;

async function project(...args: Parameters<typeof createKitProject>): Promise<KitProject> {
  const made = await createKitProject(...args);
  onTestFinished(made.remove);
  return made;
}

/** Runs it; the message that it fails with, where it has written nothing. */
async function refusal(here: KitProject, ...args: readonly string[]): Promise<string> {
  const before = await here.files();
  const { code, stdout, stderr } = await here.run(["generate", ...args]);
  expect(await here.files()).toEqual(before);
  expect(stdout).toBe("");
  expect(code).toBe(2);
  return stderr.replaceAll(here.root, "<project>");
}

describe("tidemark generate refuses", () => {
  test("a name that cannot be a part of a file's name, before anything runs", async () => {
    const here = await project(`throw new Error("was run");`);
    expect(await refusal(here, "../x")).toContain(
      `error (usage) "../x" cannot be a migration's name`,
    );
  });

  test("a project without a drizzle configuration, or without the one that is named", async () => {
    const here = await project(USERS);
    expect(await refusal(here, "--config", "other.ts")).toContain(
      "There is no drizzle configuration <project>/other.ts.",
    );
    await here.delete("drizzle.config.ts");
    expect(await refusal(here)).toContain("There is no drizzle configuration in <project>.");
  });

  test("a project without drizzle-kit, and one with another version of it", async () => {
    const here = await project(USERS);
    await rm(join(here.root, "node_modules"));
    expect(await refusal(here)).toContain("drizzle-kit is not installed in <project>.");
    for (const [version, remedy] of [
      ["0.30.6", "npm install --save-dev drizzle-kit@0.31."],
      ["1.0.0-rc.4", "then run `npx drizzle-kit up`"],
    ]) {
      await here.write(
        "node_modules/drizzle-kit/package.json",
        JSON.stringify({ name: "drizzle-kit", version, main: "index.js" }),
      );
      await here.write("node_modules/drizzle-kit/index.js", "");
      const stderr = await refusal(here);
      expect(stderr).toContain(
        `drizzle-kit ${version} is installed in <project>; Tidemark drives 0.31, and 1.x from 1.0.0-rc.5 on.`,
      );
      expect(stderr).toContain(remedy);
    }
  });

  test("a drizzle-kit 0.31 that it does not know, and runs none of it", async () => {
    const here = await project(USERS);
    await rm(join(here.root, "node_modules"));
    const kit = "node_modules/drizzle-kit";
    await here.write(`${kit}/package.json`, `{ "version": "0.31.99", "main": "index.js" }`);
    await here.write(`${kit}/index.js`, "");
    await here.write(`${kit}/bin.cjs`, `require("node:fs").writeFileSync("was-run", "x");`);
    expect(await refusal(here)).toContain(
      "bin.cjs differs from the drizzle-kit 0.31 that Tidemark knows: the configuration, the questions, the prompts, the result, the schema files cannot be found in it.",
    );
    expect(await here.readAt("was-run")).toBe("");
  });

  test.each([
    [
      "another dialect",
      { dialect: "sqlite", schema: "./schema.ts" },
      "The drizzle configuration has the dialect sqlite.",
    ],
    [
      "a prefix with which drizzle-kit loses its snapshots",
      { dialect: "postgresql", schema: "./schema.ts", migrations: { prefix: "none" } },
      'The drizzle configuration has migrations.prefix "none"',
    ],
    [
      "a configuration that drizzle-kit refuses, with what it says",
      { dialect: "postgres", schema: "./schema.ts" },
      "Invalid enum value",
    ],
    [
      "a schema file that is not there, with what drizzle-kit says",
      { dialect: "postgresql", schema: "./nowhere.ts" },
      "No schema files found for path config ['./nowhere.ts']",
    ],
  ])("%s", async (_name, config, text) => {
    const here = await project(USERS, config);
    const stderr = await refusal(here);
    expect(stderr).toContain("error (config)");
    expect(stderr).toContain(text);
    expect(stderr).toContain("Nothing was written");
  });

  test("a schema file that throws, for which drizzle-kit exits with 0", async () => {
    const here = await project(`${USERS}throw new Error("no such luck");`);
    const stderr = await refusal(here);
    expect(stderr).toContain("error (config) drizzle-kit generate ended with exit code");
    expect(stderr).toContain("no such luck");
  });

  test("a history that drizzle-kit refuses, with the folder's own name", async () => {
    const here = await project(USERS);
    await here.run(["generate", "one"]);
    await here.run(["generate", "two", "--custom"]);
    const { prevId } = JSON.parse(await here.read("meta/0000_snapshot.json"));
    const second = { ...JSON.parse(await here.read("meta/0001_snapshot.json")), prevId };
    await here.write("drizzle/meta/0001_snapshot.json", JSON.stringify(second));
    expect(await refusal(here)).toContain(
      "error (history_invalid) The snapshots drizzle/meta/0000_snapshot.json and drizzle/meta/0001_snapshot.json follow none: ",
    );
    await here.write("drizzle/meta/0001_snapshot.json", "<<<<<<< HEAD");
    expect(await refusal(here)).toContain(
      "error (history_invalid) drizzle/meta/0001_snapshot.json is no snapshot: it is not JSON.",
    );
  });

  test("a history without any snapshot", async () => {
    const here = await project(USERS);
    await here.write("drizzle/0000_old.sql", "select 1;");
    await here.list(["0000_old"]);
    expect(await refusal(here)).toContain(
      "error (missing_file) drizzle/meta has no snapshot at all, though the journal ends with 0000_old",
    );
  });

  test("a history whose files are not all there", async () => {
    const here = await project(USERS);
    await here.list(["0000_old"]);
    expect(await refusal(here)).toContain("error (missing_file)");
  });

  test("SQL of drizzle-kit that no run would take", async () => {
    const here = await project(
      `export const users = pgTable("users", { id: integer().default(sql\`)\`) });`,
    );
    const stderr = await refusal(here, "broken");
    expect(stderr).toContain(
      "error (history_invalid) drizzle-kit has written SQL that cannot be run: drizzle/0000_broken.sql:2:23: ",
    );
    expect(stderr).toContain("Nothing was written.");
  });
});

describe("two schema files", () => {
  const config = { dialect: "postgresql", schema: "./db/*.ts" };

  test("that define one name are refused, with both", async () => {
    const here = await project(undefined, config);
    const all = `
      export const app = pgSchema("app");
      export const users = app.table("users", {});
      export const mood = pgEnum("mood", ["a"]);
      export const no = app.sequence("no");
      export const busy = pgView("busy").as((qb) => qb.select().from(users));`;
    await here.write("db/a.ts", schemaModule(all));
    await here.write("db/b.ts", schemaModule(all));
    expect(await refusal(here)).toBe(
      `error (config) The schema defines a name more than once:
  view busy: db/a.ts (busy), db/b.ts (busy)
  enum mood: db/a.ts (mood), db/b.ts (mood)
  sequence app.no: db/a.ts (no), db/b.ts (no)
  table app.users: db/a.ts (users), db/b.ts (users)
Nothing was written. drizzle-kit would silently take one of them. Keep one, and import it elsewhere.
`,
    );
  });

  test.each(["commonjs", "module"])("may export one object again (%s)", async (type) => {
    const here = await project(undefined, config);
    await here.write("package.json", JSON.stringify({ type }));
    await here.write("db/users.ts", schemaModule(USERS));
    await here.write(
      "db/index.ts",
      `export * from "./users";\nexport { users as people } from "./users.js";\nimport * as all from "./users.ts";\nexport const again = all.users;\n`,
    );
    const { code, stdout } = await here.run(["generate", "users"]);
    expect(stdout).toContain("drizzle/0000_users.sql (1 statement)");
    expect(code).toBe(0);
  });

  test("may have tables of one name in two schemas, and one schema", async () => {
    const here = await project(undefined, config);
    const inSchema = (name: string) =>
      `export const s = pgSchema("${name}"); export const users = s.table("users", {});`;
    await here.write("db/a.ts", schemaModule(inSchema("a")));
    await here.write("db/b.ts", schemaModule(inSchema("b")));
    await here.write("db/c.ts", schemaModule(`export const schema = pgSchema("a");`));
    const { code, stderr } = await here.run(["generate", "users"]);
    expect(stderr).toBe("Next: read drizzle/0000_users.sql, then run `tidemark migrate`.\n");
    expect(code).toBe(0);
  });
});
