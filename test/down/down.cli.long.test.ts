import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { startTidemark } from "../helpers/cli.ts";
import { createKitProject } from "../helpers/kit-project.ts";
import { createProject, type Project } from "../helpers/project.ts";
import { screen } from "../helpers/screen.ts";

const HISTORY = {
  "0000_create_users": "create table users (id serial primary key, name text);",
  "0001_add_bio": "alter table users add column bio text;",
};

async function project(): Promise<Project> {
  const made = await createProject(HISTORY);
  onTestFinished(made.remove);
  return made;
}

const down = async ({ root, run }: Project, ...args: readonly string[]) =>
  screen(await run(["down-file", ...args, "--scratch-url", inject("serverUrl")]), {
    project: root,
  });

describe("tidemark down", () => {
  test("writes what is missing, says what it loses, and finds nothing to do the second time", async () => {
    const here = await project();
    expect(await down(here, "--missing")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      ✓ drizzle/0000_create_users.down.sql written: proven, loses table users
      ✓ drizzle/0001_add_bio.down.sql written: proven, loses column users.bio
      Wrote drizzle/tidemark.sum.
      --- stderr
      0000_create_users: up, down, up (1 of 2)
      0001_add_bio: up, down, up (2 of 2)
      "
    `);
    expect(await down(here, "--missing")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Each migration has a down file.
      "
    `);
    expect(await down(here, "0001_add_bio", "--quiet")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      ✓ drizzle/0001_add_bio.down.sql unchanged: proven, loses column users.bio
      Wrote drizzle/tidemark.sum.
      "
    `);
  });

  test("renews the file of a migration that was edited, and leaves what a person wrote", async () => {
    const here = await project();
    await down(here, "--missing");
    await here.write("drizzle/0001_add_bio.sql", "alter table users add column about text;");
    const renewed = await down(here, "0001_add_bio", "--quiet");
    expect(renewed).toContain("0001_add_bio.down.sql renewed: proven, loses column users.about");

    await here.write("drizzle/0001_add_bio.down.sql", "alter table users drop about;\n");
    expect(await down(here, "0001_add_bio")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) 0001_add_bio.down.sql in drizzle was written or edited by hand.
      Nothing was written. \`tidemark verify\` proves them as they are; --force replaces them.
      "
    `);
    expect(await down(here, "0001_add_bio", "--force", "--quiet")).toContain("renewed: proven");
  });

  test("does not vouch for another file that was edited by mistake", async () => {
    const here = await project();
    await down(here, "--missing");
    await here.write("drizzle/0000_create_users.sql", "create table people (id integer);");
    const refused = await down(here, "0001_add_bio");
    expect(refused).toMatch(/^exit code 2\n/);
    expect(refused).toContain("0000_create_users.sql was sha256:");
  });

  test("says why there is no way back, in the file too", async () => {
    const here = await createProject({
      "0000_seed": "create table t (id integer primary key);",
      "0001_row": "insert into t values (1);",
    });
    onTestFinished(here.remove);
    expect(await down(here, "0001_row", "--quiet")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      ! drizzle/0001_row.down.sql written: irreversible: after the way back the migration does not run again: duplicate key value violates unique constraint "t_pkey" (SQLSTATE 23505)
        Write the rollback SQL into it by hand, or leave it as it is.
      Wrote drizzle/tidemark.sum.
      "
    `);
  });

  test.each([
    { name: "an unknown tag", args: ["0009_nothing"] },
    { name: "no tag", args: [] },
    { name: "a tag beside --missing", args: ["0001_add_bio", "--missing"] },
  ])("$name is a wrong use, and nothing is written", async ({ args }) => {
    const here = await project();
    expect(await down(here, ...args)).toMatch(/^exit code 2\n--- stderr\nerror \(usage\) /);
    expect(await readdir(join(here.root, "drizzle"))).not.toContain("tidemark.sum");
  });

  test("a migration that does not run is an error at its place, and nothing is written", async () => {
    const here = await project();
    await here.write("drizzle/0001_add_bio.sql", "alter table usrs add column bio text;");
    const failed = await down(here, "--missing");
    expect(failed).toMatch(/^exit code 1\n/);
    expect(failed).toContain('drizzle/0001_add_bio.sql:1:1: relation "usrs" does not exist');
  });

  test("is interrupted at once, and takes its scratch server away", async () => {
    const here = await project();
    const running = startTidemark(["down-file", "--missing"], { cwd: here.root });
    await running.stderrMatches(/up, down, up/);
    running.child.kill("SIGINT");
    expect((await running.end).code).toBe(130);
    expect(await readdir(join(here.root, ".tidemark", "scratch"))).toEqual([]);
    expect(existsSync(join(here.root, "drizzle", "tidemark.sum"))).toBe(false);
  });
});

describe("tidemark generate", () => {
  const TABLE = `export const users = pgTable("users", { id: serial().primaryKey(), name: text() });\n`;

  test("writes the down file with the migration; a rename is taken back as a rename", async () => {
    const here = await createKitProject(TABLE, undefined, { withDown: true });
    onTestFinished(here.remove);
    const scratch = ["--scratch-url", inject("serverUrl")];
    await here.run(["generate", "users", ...scratch]);
    await here.schema(TABLE.replace("name: text()", "fullName: text(), bio: text()"));
    const renamed = await here.run([
      ...["generate", "names", "--rename", "users.name=fullName", ...scratch],
    ]);
    expect(
      screen(renamed, { project: here.root }).replace(/sha256:\w+/, "<sum>"),
    ).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      Generated drizzle/0001_names.sql (2 statements):
        ALTER TABLE "users" RENAME COLUMN "name" TO "fullName"
        ALTER TABLE "users" ADD COLUMN "bio" text
      ✓ drizzle/0001_names.down.sql written: proven, loses column users.bio
      Wrote drizzle/tidemark.sum: 2 migrations, head <sum>.
      --- stderr
      Next: read drizzle/0001_names.sql, then run \`tidemark migrate\`.
      "
    `);
    expect((await here.read("0001_names.down.sql")).split("\n").slice(1)).toEqual([
      "-- loses: column users.bio",
      'ALTER TABLE "users" RENAME COLUMN "fullName" TO "name";',
      "--> statement-breakpoint",
      "set search_path = pg_catalog;",
      "--> statement-breakpoint",
      'ALTER TABLE "public"."users" DROP COLUMN "bio";',
      "",
    ]);
    expect(await here.read("tidemark.sum")).toMatch(/\n0001_names\.down\.sql sha256:\w{64}\n$/);
    expect((await here.run(["verify", "--quiet", ...scratch])).code).toBe(0);
  });

  test("keeps a migration that cannot be tried, and says so", async () => {
    const here = await createKitProject(
      `export const t = pgTable("t", { id: serial(), v: text().default(sql\`nobody_made_this()\`) });\n`,
      undefined,
      { withDown: true },
    );
    onTestFinished(here.remove);
    const result = await here.run([
      "generate",
      "t",
      "--scratch-url",
      inject("serverUrl"),
      "--json",
    ]);
    expect(result.code).toBe(0);
    expect(JSON.parse(result.stdout).down).toEqual({
      kind: "untried",
      reason: expect.stringMatching(
        /0000_t\.sql:3:\d+: function nobody_made_this\(\) does not exist/,
      ),
    });
    expect(result.stderr).toMatch(
      /warning: drizzle\/0000_t\.sql has no down file: .*tidemark down-file 0000_t/s,
    );
    expect(Object.keys(await here.files())).toEqual([
      "0000_t.sql",
      "meta/0000_snapshot.json",
      "meta/_journal.json",
      "tidemark.sum",
    ]);
  });

  test("writes nothing where the scratch server cannot be reached", async () => {
    const here = await createKitProject(TABLE, undefined, { withDown: true });
    onTestFinished(here.remove);
    const nowhere = "postgres://nobody@127.0.0.1:1/x";
    const { code, stderr } = await here.run(["generate", "users", "--scratch-url", nowhere]);
    expect(code).toBe(1);
    expect(stderr).toContain("The scratch server cannot be used");
    expect(await here.files()).toEqual({});
  });
});
