import { join } from "node:path";
import { expect, test } from "vitest";
import { migrateWithDrizzle } from "../helpers/drizzle-migrators.ts";
import { useProject } from "../helpers/project-fixture.ts";

const here = useProject();

/** Each insert counts: a history that runs twice does not fail, it doubles. */
const CREDITS = {
  "drizzle/0000_create_notes.sql": "create table if not exists credits (amount integer);",
  "drizzle/0001_add_author.sql": "insert into credits values (100);",
  "drizzle/0002_first_note.sql": "insert into credits values (11);",
};

test.each([
  {
    what: "has a shape of its own, and drizzle.config.ts names it",
    setting: `migrations: { table: "ran", schema: "internal" },`,
    change: "alter table internal.ran add column note text",
  },
  { what: "is one that no setting names any more", setting: "", change: "select 1" },
])("nothing runs twice where drizzle's table $what", async ({ setting, change }) => {
  for (const [file, sql] of Object.entries(CREDITS)) await here.project.write(file, sql);
  await here.project.write(
    "drizzle.config.ts",
    `export default { dialect: "postgresql", out: "./drizzle", ${setting} };`,
  );
  await migrateWithDrizzle("0.x", {
    url: here.database.url,
    dir: join(here.project.root, "drizzle"),
    table: { schema: "internal", table: "ran" },
  });
  await here.database.sql.unsafe(change);
  const screen = await here.tidemark("migrate");
  expect(screen).toContain("exit code 0");
  expect(screen).toContain("took over 3 migrations that internal.ran has as applied");
  expect(await here.database.sql`select sum(amount)::int as sum from credits`).toEqual([
    { sum: 111 },
  ]);
});
