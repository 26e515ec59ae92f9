import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { copyOf, createVerifyProject, type VerifyProject } from "../helpers/verify-project.ts";

let original: VerifyProject;

beforeAll(async () => {
  original = await createVerifyProject();
});

afterAll(() => original.remove());

describe("no false alarm", () => {
  test("on a schema with everything that drizzle-kit can express", async () => {
    const here = await copyOf(original);
    onTestFinished(here.remove);
    await here.write("schema.ts", await readFile("test/fixtures/verify/everything.ts", "utf8"));
    await here.write(
      "drizzle.config.ts",
      'export default { dialect: "postgresql", schema: "./schema.ts", out: "./all", entities: { roles: true } };',
    );
    // A server of its own: the schema makes roles.
    const { code, stdout } = await here.run(["generate", "all"]);
    expect(code).toBe(0);
    expect((await here.run(["down-file", "--missing"])).stdout).toContain("written: proven");
    const verified = await here.run(["verify"]);
    expect(verified.stdout).toMatch(/^Verified: 8 checks/m);
    expect(verified.stdout).not.toMatch(/warning|error|✗/);
    expect(stdout).toContain("34 statements");
  });

  test("on a history of 300 migrations", async () => {
    const here = await copyOf(original);
    onTestFinished(here.remove);
    const columns = Array.from({ length: 299 }, (_, index) => `c${index + 1}: integer()`);
    await here.schema(`export const t = pgTable("t", { id: integer(), ${columns.join(", ")} });`);
    await here.write(
      "drizzle.config.ts",
      'export default { dialect: "postgresql", schema: "./schema.ts", out: "./many" };',
    );
    await here.run(["generate", "all", "--no-down"]);
    const snapshot = JSON.parse(await here.readAt("many/meta/0000_snapshot.json"));
    const id = (index: number) => `00000000-0000-0000-0000-${String(index + 1).padStart(12, "0")}`;
    const tags = Array.from({ length: 300 }, (_, index) => `${String(index).padStart(4, "0")}_m`);
    for (const [index, tag] of tags.entries()) {
      const content = index === 299 ? snapshot : { ...snapshot, tables: {} };
      const prevId = index === 0 ? "00000000-0000-0000-0000-000000000000" : id(index - 1);
      const place = `many/meta/${tag.slice(0, 4)}_snapshot.json`;
      await here.write(place, JSON.stringify({ ...content, id: id(index), prevId }));
      const sql =
        index === 0
          ? 'CREATE TABLE "t" ("id" integer);'
          : `ALTER TABLE "t" ADD COLUMN "c${index}" integer;`;
      await here.write(`many/${tag}.sql`, sql);
    }
    const entries = tags.map((tag, idx) => ({
      idx,
      version: "7",
      when: 1000 + idx,
      tag,
      breakpoints: true,
    }));
    await here.write(
      "many/meta/_journal.json",
      JSON.stringify({ version: "7", dialect: "postgresql", entries }),
    );
    await here.delete("many/0000_all.sql");
    await here.run(["sum"]);
    const { code, notPassed, report } = await here.verify();
    expect({ code, notPassed }).toEqual({ code: 0, notPassed: [] });
    expect(report.checks.find(({ name }) => name === "replay")?.detail).toBe("300 migrations");
  });
});

describe("an enum whose values only stand in another order", () => {
  const withEnum = (values: string, column = "") =>
    `export const mood = pgEnum("mood", [${values}]);
export const moods = pgTable("moods", { mood: mood()${column} });`;

  async function generated() {
    const here = await copyOf(original);
    onTestFinished(here.remove);
    const users = await here.readAt("schema.ts");
    const write = (...args: Parameters<typeof withEnum>) =>
      here.write("schema.ts", `${users}\n${withEnum(...args)}`);
    await write('"a", "b", "c"');
    expect((await here.type("generate", "mood")).code).toBe(0);
    return { ...here, withEnum: write };
  }

  test("in the database is a warning that rewrites nothing", async () => {
    const here = await generated();
    // As an older drizzle-kit did, which has added the value at the end.
    const sql = await here.read("0003_mood.sql");
    await here.write("drizzle/0003_mood.sql", sql.replace("'b', 'c'", "'c', 'b'"));
    await here.type("down-file", "0003_mood");
    const { code, report } = await here.verify();
    expect(code).toBe(0);
    expect(report.checks.find(({ name }) => name === "drizzle")?.findings).toContainEqual({
      level: "warning",
      fact: "type public.mood: values: expected a, b, c, found a, c, b: the same values in a different order.",
      remedy: "Harmless unless you sort or compare by it. Leave it as it is.",
    });
  });

  test("in the schema is a warning, and what else is changed an error", async () => {
    const here = await generated();
    await here.type("down-file", "0003_mood");
    await here.withEnum('"a", "c", "b"');
    const { code, found, report } = await here.verify();
    expect(code).toBe(0);
    expect(report.checks[0]?.findings).toEqual([
      {
        level: "warning",
        fact: "The Drizzle schema has the values of the enum mood in a different order than the newest snapshot: a, c, b instead of a, b, c.",
        remedy: expect.stringMatching(/^Harmless unless you sort or compare by it\. List them /),
      },
    ]);
    // Once is enough.
    expect(found("drizzle")).toEqual([expect.stringContaining("table public.notes")]);

    await here.withEnum('"a", "c", "d", "b"', ", at: text()");
    const more = await here.verify();
    expect(more.found("schema")).toEqual([
      expect.stringMatching(
        /^error - .*: ALTER TYPE "public"\."mood" ADD VALUE 'd' BEFORE 'b' \(and 1 more\)$/,
      ),
      expect.stringMatching(/^warning - .* in a different order/),
    ]);
    expect(more.notPassed).toEqual(["schema failed"]);
  });
});
