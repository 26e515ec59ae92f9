import { describe, expect, inject, onTestFinished, test } from "vitest";
import { createKitProject, type KitProject } from "../helpers/kit-project.ts";

const USERS = `export const users = pgTable("users", { id: serial().primaryKey(), name: text() });\n`;
const ORGS = `
export const mood = pgEnum("mood", ["fine"]);
export const orgs = pgTable("orgs", { id: serial().primaryKey(), name: text() }, (table) => [index("orgs_name_idx").on(table.name)]);
`;

interface Here extends KitProject {
  /** Types a command there that needs a scratch server. */
  readonly type: KitProject["run"];
  /** Adds a migration that a person wrote, without a snapshot. */
  readonly writeByHand: (tag: string, sql: string) => Promise<void>;
  readonly editSnapshot: (number: string, change: object) => Promise<void>;
}

/** A project with one migration, which makes `users`. */
async function project(): Promise<Here> {
  const made = await createKitProject(USERS, undefined, { withDown: true });
  onTestFinished(made.remove);
  await made.run(["generate", "users", "--no-down"]);
  const readJson = async (file: string) => JSON.parse(await made.read(file));
  return {
    ...made,
    type: (args, ...rest) => made.run([...args, "--scratch-url", inject("serverUrl")], ...rest),
    writeByHand: async (tag, sql) => {
      await made.write(`drizzle/${tag}.sql`, sql);
      const journal = await readJson("meta/_journal.json");
      const last = journal.entries.at(-1);
      journal.entries.push({ ...last, idx: last.idx + 1, when: last.when + 1, tag });
      await made.write("drizzle/meta/_journal.json", JSON.stringify(journal));
      await made.run(["sum"]);
    },
    editSnapshot: async (number, change) => {
      const file = `meta/${number}_snapshot.json`;
      const text = JSON.stringify({ ...(await readJson(file)), ...change });
      await made.write(`drizzle/${file}`, text);
    },
  };
}

const BY_HAND = `create table orgs (id serial primary key not null, name text);
create index orgs_name_idx on orgs (name);
create type mood as enum ('fine');
`;

describe("a migration that fails on the scratch database", () => {
  test("by its own SQL is not kept; hand-written ones without a snapshot are named", async () => {
    const here = await project();
    await here.writeByHand("0001_by_hand", BY_HAND);
    await here.schema(USERS + ORGS);
    const before = await here.files();
    const { code, stdout } = await here.type(["generate", "orgs", "--json"]);
    const { error } = JSON.parse(stdout);
    expect({ code, ...error }).toMatchObject({
      code: "migration_failed",
      exitCode: 1,
      tag: "0002_orgs",
      details: { sqlState: "42710", file: "drizzle/0002_orgs.sql", line: 1, statement: 1 },
    });
    expect(error.fact).toBe(`drizzle/0002_orgs.sql:1:1: type "mood" already exists

1 | CREATE TYPE "public"."mood" AS ENUM('fine');--> statement-breakpoint
  | ^

statement 1 of 3, SQLSTATE 42710
Already made by 0001_by_hand, which has no snapshot, so drizzle-kit does not know about it: mood, orgs, orgs_name_idx.`);
    expect(await here.files()).toEqual(before);

    // What the error advises leads on.
    expect((await here.run(["generate", "orgs", "--no-down"])).code).toBe(0);
    await here.write("drizzle/0002_orgs.sql", "-- made by 0001_by_hand\n");
    expect((await here.type(["down-file", "0002_orgs"])).stdout).toContain("written: proven");
    expect((await here.type(["verify", "--quiet"])).code).toBe(0);
    await here.schema(USERS + ORGS.replace("fine", 'fine", "well'));
    expect((await here.type(["generate", "well"])).stdout).toContain("0003_well.down.sql written");
  });

  test("by a change that no rows could ever allow is not kept", async () => {
    const here = await project();
    await here.schema(USERS.replace("text()", "integer()"));
    const before = await here.files();
    const { code, stderr } = await here.type(["generate", "number"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error \(migration_failed\) drizzle\/0001_number\.sql:1:\d+: column "name" cannot be cast/,
    );
    expect(stderr).toContain("SQLSTATE 42804");
    expect(await here.files()).toEqual(before);
  });

  test.each([
    {
      what: "an extension that the server lacks",
      sql: "create extension nobody_has_this;",
      reason: /extension "nobody_has_this" is not available/,
    },
    {
      what: "a table that was made elsewhere",
      sql: "alter table made_elsewhere add column x integer;",
      reason: /relation "made_elsewhere" does not exist/,
    },
  ])("because an older one needs $what is kept, untried", async ({ sql, reason }) => {
    const here = await project();
    await here.writeByHand("0001_by_hand", sql);
    await here.schema(USERS + ORGS);
    const { code, stdout, stderr } = await here.type(["generate", "orgs", "--json"]);
    const { down } = JSON.parse(stdout);
    expect(down).toEqual({ kind: "untried", reason: expect.stringMatching(reason) });
    expect(down.reason).toMatch(
      /^it was not tried, because the earlier migration 0001_by_hand fails on the scratch database: /,
    );
    expect(stderr).toContain("warning: drizzle/0002_orgs.sql has no down file: it was not tried");
    expect(code).toBe(0);
    expect(Object.keys(await here.files())).toContain("0002_orgs.sql");
  });
});

describe("a history of", () => {
  test("an older drizzle-kit, whose snapshots know no views, roles and policies, goes on", async () => {
    const here = await project();
    const left = { views: undefined, roles: undefined, policies: undefined, sequences: undefined };
    await here.editSnapshot("0000", left);
    await here.schema(USERS + ORGS);
    const { code, stderr } = await here.type(["generate", "orgs"]);
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringMatching(/^Next: /) });
    expect((await here.type(["verify", "--quiet"])).code).toBe(0);
  });

  test("tags without a number passes generate and verify", async () => {
    const here = await project();
    await here.write("drizzle/init.sql", await here.read("0000_users.sql"));
    await here.delete("drizzle/0000_users.sql");
    const journal = await here.read("meta/_journal.json");
    await here.write("drizzle/meta/_journal.json", journal.replace("0000_users", "init"));
    await here.run(["sum"]);
    await here.schema(USERS + ORGS);
    expect((await here.type(["generate", "orgs"])).stdout).toContain("0001_orgs.down.sql written");
    const { code, stdout } = await here.type(["verify", "--json"]);
    const { checks } = JSON.parse(stdout);
    const files = checks.find(({ name }: { name: string }) => name === "files");
    expect({ code, findings: files.findings }).toEqual({ code: 0, findings: [] });
  });

  test("two branches whose snapshots fork is mended as the error says, and no SQL changes", async () => {
    const here = await project();
    await here.schema(USERS + ORGS);
    await here.run(["generate", "theirs", "--no-down"]);
    // Ours was generated from the first too, and numbered behind theirs when it was merged.
    const ours = USERS.replace("text()", "text(), age: integer()");
    const branch = await project();
    await branch.editSnapshot("0000", {
      id: JSON.parse(await here.read("meta/0000_snapshot.json")).id,
    });
    await branch.schema(ours);
    await branch.run(["generate", "ours", "--no-down"]);
    await here.writeByHand("0002_ours", await branch.read("0001_ours.sql"));
    await here.write(
      "drizzle/meta/0002_snapshot.json",
      await branch.read("meta/0001_snapshot.json"),
    );
    await here.schema(ours + ORGS);
    const before = await here.files();

    const refused = await here.type(["generate", "merged"]);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toMatch(
      /^error \(history_invalid\) The snapshots drizzle\/meta\/0001_snapshot\.json and drizzle\/meta\/0002_snapshot\.json follow the same one \(drizzle\/meta\/0000_snapshot\.json\): /,
    );
    expect(refused.stderr).not.toMatch(/exit code|collision|delete/);
    expect(await here.files()).toEqual(before);

    const [, prevId] = /0002_snapshot\.json: "prevId": "([\w-]+)"/.exec(refused.stderr) ?? [];
    await here.editSnapshot("0002", { prevId });
    const again = await here.type(["generate", "merged"]);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain(
      "Already made by 0001_theirs, but missing from meta/0002_snapshot.json",
    );
    expect((await here.run(["generate", "merged", "--no-down"])).code).toBe(0);
    await here.write("drizzle/0003_merged.sql", "-- made by 0001_theirs\n");
    await here.type(["down-file", "0003_merged"]);
    expect(await here.type(["verify", "--quiet"])).toMatchObject({ code: 0 });
    const { "0001_theirs.sql": theirs, "0002_ours.sql": mine } = await here.files();
    expect([theirs, mine]).toEqual([before["0001_theirs.sql"], before["0002_ours.sql"]]);
  });
});
