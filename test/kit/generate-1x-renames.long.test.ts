import { expect, onTestFinished, test } from "vitest";
import { createKitProject, type KitProject } from "../helpers/kit-project.ts";

const TABLE = `export const t = pgTable("t", { id: integer(), a: text() });`;

async function project(body: string): Promise<KitProject> {
  const here = await createKitProject(body, undefined, { kit: "1.x" });
  onTestFinished(here.remove);
  const { code, stderr } = await here.run(["generate", "first"]);
  expect(stderr).not.toContain("error");
  expect(code).toBe(0);
  return here;
}

/** Statements of the newest migration. */
async function newestSql(here: KitProject): Promise<readonly string[]> {
  const files = Object.entries(await here.files()).filter(([path]) => path.endsWith(".sql"));
  return (files.at(-1)?.[1] ?? "").split("--> statement-breakpoint").map((text) => text.trim());
}

test.each<{ kind: string; before: string; after: string; option: string; sql: RegExp }>([
  {
    kind: "column",
    before: TABLE,
    after: TABLE.replace("a: text()", '"a=b": text()'),
    option: `--rename 't.a="a=b"'`,
    sql: /^ALTER TABLE "t" RENAME COLUMN "a" TO "a=b"/,
  },
  {
    kind: "table",
    before: TABLE,
    after: TABLE.replace('"t"', '"u"'),
    option: "--rename-table t=u",
    sql: /^ALTER TABLE "t" RENAME TO "u"/,
  },
  {
    kind: "table that moves to another schema",
    before: `export const app = pgSchema("app"); ${TABLE}`,
    after: `export const app = pgSchema("app"); ${TABLE.replace("pgTable(", "app.table(")}`,
    option: "--rename-table t=app.t",
    sql: /^ALTER TABLE "t" SET SCHEMA "app"/,
  },
  {
    kind: "schema, with what lies in it",
    before: `export const s = pgSchema("app"); ${TABLE.replace("pgTable(", "s.table(")}`,
    after: `export const s = pgSchema("core"); ${TABLE.replace("pgTable(", "s.table(")}`,
    option: "--rename-schema app=core",
    sql: /^ALTER SCHEMA "app" RENAME TO "core"/,
  },
  {
    kind: "enum",
    before: `export const e = pgEnum("mood", ["a"]);`,
    after: `export const e = pgEnum("feeling", ["a"]);`,
    option: "--rename-enum mood=feeling",
    sql: /^ALTER TYPE "mood" RENAME TO "feeling"/,
  },
  {
    kind: "sequence",
    before: `export const s = pgSequence("no");`,
    after: `export const s = pgSequence("number");`,
    option: "--rename-sequence no=number",
    sql: /^ALTER SEQUENCE "no" RENAME TO "number"/,
  },
  {
    kind: "view",
    before: `${TABLE} export const v = pgView("v").as((q) => q.select().from(t));`,
    after: `${TABLE} export const v = pgView("w").as((q) => q.select().from(t));`,
    option: "--rename-view v=w",
    sql: /^ALTER VIEW "v" RENAME TO "w"/,
  },
  {
    kind: "policy",
    before: `export const t = pgTable("t", { id: integer() }, () => [pgPolicy("own", { for: "select" })]);`,
    after: `export const t = pgTable("t", { id: integer() }, () => [pgPolicy("all_own", { for: "select" })]);`,
    option: "--rename-policy t.own=all_own",
    sql: /^ALTER POLICY "own" ON "t" RENAME TO "all_own"/,
  },
  {
    kind: "role",
    before: `export const r = pgRole("reader");`,
    after: `export const r = pgRole("viewer");`,
    option: "--rename-role reader=viewer",
    sql: /^ALTER ROLE "reader" RENAME TO "viewer"/,
  },
])("a $kind is renamed by the option that is offered", async ({ before, after, option, sql }) => {
  const here = await project(before);
  await here.schema(after);
  const asked = await here.run(["generate", "second"]);
  expect(asked.code).toBe(2);
  expect(asked.stderr).toContain(`    ${option}\n`);
  const [name = "", value = ""] = option.split(/ (.*)/);
  const { code, stderr } = await here.run(["generate", "second", name, value.replaceAll("'", "")]);
  expect(stderr).not.toContain("error");
  expect(code).toBe(0);
  const statements = await newestSql(here);
  expect(statements[0]).toMatch(sql);
  expect(statements).toHaveLength(1);
  expect((await here.run(["generate"])).stdout).toContain("Nothing to generate");
});

test("what is new after a rename was new before it: nothing is asked twice", async () => {
  const here = await project(`${TABLE} export const o = pgTable("old", { x: integer() });`);
  await here.schema(`
    export const t = pgTable("t", { id: integer(), b: text(), c: text() });
    export const n = pgTable("new", { y: integer() });`);
  const { code, stderr } = await here.run([
    ...["generate", "second", "--rename", "t.a=c", "--rename-table", "old=new", "--no-renames"],
    "--json",
  ]);
  expect(code).toBe(0);
  expect(stderr).toContain("column: new.x DROPPED, with everything in it; new.y added.");
  expect(await newestSql(here)).toEqual([
    'ALTER TABLE "old" RENAME TO "new";',
    'ALTER TABLE "t" RENAME COLUMN "a" TO "c";',
    'ALTER TABLE "new" ADD COLUMN "y" integer;',
    'ALTER TABLE "t" ADD COLUMN "b" text;',
    'ALTER TABLE "new" DROP COLUMN "x";',
  ]);
});
