import { expect, inject, onTestFinished, test } from "vitest";
import { compareCatalogs, readCatalog } from "../../src/db/catalog/index.ts";
import { createDatabase } from "../helpers/database.ts";
import { createKitProject } from "../helpers/kit-project.ts";

const FIRST = `export const mood = pgEnum("mood", ["sad", "happy"]);
export const users = pgTable("users", { id: serial().primaryKey(), name: text(), mood: mood() });`;

const SECOND = `export const mood = pgEnum("mood", ["sad", "happy"]);
export const shop = pgSchema("shop");
export const orders = shop.table("orders", { id: serial().primaryKey(), user: integer().references(() => users.id) });
export const users = pgTable("users", { id: serial().primaryKey(), name: text().notNull().default("?"),
  mood: mood(), bio: text() }, (t) => [index("users_name_idx").on(t.name)]);
export const names = pgView("names").as((qb) => qb.select({ name: users.name }).from(users));`;

// As somebody types it in a project of drizzle-kit's.
test.each(["0.31", "1.x"] as const)(
  "what was generated, applied and taken back leaves the database as it was: no drift (drizzle-kit %s)",
  { timeout: 240_000 },
  async (kit) => {
    const project = await createKitProject(FIRST, undefined, { kit, withDown: true });
    onTestFinished(project.remove);
    const database = await createDatabase();
    onTestFinished(database.drop);
    const scratch = ["--scratch-url", inject("serverUrl")];
    const type = async (...args: readonly string[]) => {
      const end = await project.run(args, { DATABASE_URL: database.url });
      expect(`${end.stdout}${end.stderr}`).not.toMatch(/^error/m);
      expect(end.code).toBe(0);
      return end.stdout;
    };
    const catalog = () =>
      readCatalog({ url: database.url, leaveOut: ["tidemark"], signal: undefined });

    await type("generate", "first", ...scratch);
    await type("migrate");
    const before = await catalog();
    await project.schema(SECOND);
    await type("generate", "second", ...scratch);
    await type("migrate");
    await type("rollback", "--yes");
    expect((await compareCatalogs(before, await catalog())).differences).toEqual([]);
    expect(await type("drift", ...scratch)).toContain("No drift");
    await type("migrate");
    expect(await type("drift", ...scratch)).toContain("No drift");
  },
);
