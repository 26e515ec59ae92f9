import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from "vitest";
import { createKitProject } from "../helpers/kit-project.ts";
import {
  branchOf,
  createMigrated1x,
  createProject1x,
  type Project1x,
  RENAMED_1X,
  timeless,
  USERS_1X,
} from "../helpers/project-1x.ts";

const ORGS = `export const orgs = pgTable("orgs", { id: serial().primaryKey() });\n`;

describe("tidemark verify with drizzle-kit 1.x", () => {
  let made: Project1x;
  beforeAll(async () => {
    made = await createMigrated1x();
  });
  afterAll(() => made.remove());

  test("reports what is left to generate, and an order of enum values that would rewrite tables", async () => {
    const here = await branchOf(made, RENAMED_1X + ORGS);
    expect(await here.problems()).toEqual([
      'schema failed error: The Drizzle schema has changes that no migration has: CREATE TABLE "orgs" ( "id" serial PRIMARY KEY )',
    ]);
    await here.schema(RENAMED_1X.replace('"sad", "ok"', '"ok", "sad"'));
    expect(await here.problems()).toEqual([
      expect.stringMatching(
        /^schema passed warning: The Drizzle schema has the values of the enum mood in a different order than the newest snapshot: ok, sad, happy instead of sad, ok, happy\.$/,
      ),
    ]);
  });

  test("passes two branches that do not conflict, and the next migration joins them", async () => {
    const [here, there] = [
      await branchOf(made, RENAMED_1X + ORGS),
      await branchOf(made, RENAMED_1X.replace("id:", "email: text(), id:")),
    ];
    await here.done("generate", "mine");
    await there.done("generate", "theirs");
    await here.merge(there);
    const both = `${RENAMED_1X.replace("id:", "email: text(), id:")}${ORGS}`;
    await here.schema(both);
    expect(await here.problems()).toEqual([
      expect.stringContaining("files passed warning: drizzle holds branches that end with"),
    ]);
    await here.schema(both.replace('orgs", {', 'orgs", { name: text(),'));
    const { stderr } = await here.type("generate", "joined");
    expect(timeless(stderr)).toMatch(
      /^warning: this migration joins the branches that end with <time>_\w+ and <time>_\w+\.$/m,
    );
    expect(await here.problems()).toEqual([]);
  });

  test("refuses a folder of 0.x, which `drizzle-kit up` converts", async () => {
    const old = await createKitProject(USERS_1X);
    onTestFinished(old.remove);
    expect((await old.run(["generate", "create_users"])).code).toBe(0);
    const scratch = ["--scratch-url", inject("serverUrl")];
    expect((await old.run(["down-file", "--missing", ...scratch])).code).toBe(0);
    const here = await createProject1x(USERS_1X);
    onTestFinished(here.remove);
    await here.continueFrom(old);
    expect(await here.shown("generate", "next")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (config) drizzle has the layout of drizzle-kit 0.x (meta/_journal.json), but drizzle-kit 1.0.0-rc.5 is installed, which does not read it.
      Nothing was written. Convert the folder with \`npx drizzle-kit up\` (it gives the migrations new names, and leaves their SQL as it is), then run \`tidemark sum\` and commit both. Or stay with npm install --save-dev drizzle-kit@0.31.
      "
    `);
    await here.kit("up");
    await here.done("sum");
    await here.done("down-file", "--missing");
    expect(await here.problems()).toEqual([
      "files failed error: drizzle/0000_create_users.down.sql belongs to no migration, and is never run.",
    ]);
    await here.delete("drizzle/0000_create_users.down.sql");
    expect(await here.problems()).toEqual([]);
    await here.schema(USERS_1X + ORGS);
    await here.done("generate", "orgs");
  });

  test("refuses a folder of 1.x where drizzle-kit 0.31 is installed", async () => {
    const here = await createKitProject(USERS_1X);
    onTestFinished(here.remove);
    await here.write("drizzle/20250101000000_x/migration.sql", "select 1;");
    const { code, stderr } = await here.run(["generate", "next"]);
    expect(stderr).toMatchInlineSnapshot(`
      "error (config) drizzle has the layout of drizzle-kit 1.x (a folder for each migration), but drizzle-kit 0.31.11 is installed, which does not read it.
      Nothing was written. Install drizzle-kit 1.x: npm install drizzle-orm@1.0.0-rc.5 && npm install --save-dev drizzle-kit@1.0.0-rc.5.
      "
    `);
    expect(code).toBe(2);
  });

  test("reads snapshots of format 8, which drizzle-kit wants converted", async () => {
    const here = await createProject1x(`export const t = pgTable("t", { id: integer() });`);
    onTestFinished(here.remove);
    const column = { entityType: "columns", schema: "public", table: "t", name: "id" };
    const ddl = [
      { isRlsEnabled: false, name: "t", entityType: "tables", schema: "public" },
      {
        ...column,
        ...{ type: "integer", typeSchema: null, notNull: false, dimensions: 0 },
        ...{ default: null, generated: null, identity: null },
      },
    ];
    const head = { version: "8", dialect: "postgres", id: "88ff39e4-88c2-4bea-b7f2-0b10174d1113" };
    const prevIds = ["00000000-0000-0000-0000-000000000000"];
    const snapshot = JSON.stringify({ ...head, prevIds, ddl, renames: [] }, null, 2);
    await here.write("drizzle/20250101000000_t/migration.sql", 'CREATE TABLE "t" ("id" integer);');
    await here.write("drizzle/20250101000000_t/snapshot.json", snapshot);
    expect(await here.shown("generate", "next")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (history_invalid) drizzle-kit cannot continue from the snapshots of drizzle:
      drizzle/<time>_t/snapshot.json is not of the latest version, please run "drizzle-kit up"
      Nothing was written. Run \`npx drizzle-kit up\`, then generate again. It converts the snapshots, and leaves the SQL as it is.
      "
    `);
    expect(await here.problems()).toEqual([
      expect.stringContaining("schema failed error: drizzle-kit cannot continue"),
    ]);
    await here.kit("up");
    expect(await here.problems()).toEqual([]);
  });
});
