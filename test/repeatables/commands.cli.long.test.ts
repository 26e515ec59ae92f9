import { rm } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, inject, test } from "vitest";
import { useProject } from "../helpers/project-fixture.ts";

const shop = useProject();
const { tidemark } = shop;
const VIEW = "create or replace view authors as select distinct author from notes;\n";
const FUNCTION =
  "create or replace function shout(text) returns text language sql as $$ select upper($1) $$;\n";

beforeEach(async () => {
  await shop.project.write("drizzle/repeatable/a_authors.sql", VIEW);
  await shop.project.write("drizzle/repeatable/b_shout.sql", FUNCTION);
});

test("plan says what would run and why, migrate runs it, status has a row each", async () => {
  const plan = await tidemark("plan", "--sample", "0");
  expect(plan).toContain("-- repeatable/a_authors (drizzle/repeatable/a_authors.sql, new)");
  expect(plan).toContain("-- 3 pending, and 2 repeatables to run. Nothing was run.");
  expect(await tidemark("migrate")).toContain(
    "Applied 3 migrations and ran 2 repeatables in <duration>. The database is at 0002_first_note.",
  );
  expect(await tidemark("status", "--check")).toMatch(
    /exit code 0[\s\S]*repeatable\/b_shout +DONE/,
  );
  await shop.project.write("drizzle/repeatable/b_shout.sql", FUNCTION.replace("upper", "lower"));
  expect(await tidemark("status", "--check")).toMatch(
    /exit code 3[\s\S]*repeatable\/b_shout +PENDING CHANGED[\s\S]*0 pending, and 1 repeatable to run/,
  );
  expect(await tidemark("migrate", "--dry-run")).toMatch(
    /b_shout.sql, changed\)\ncreate or replace function[\s\S]*0 pending, and 1 repeatable to run/,
  );
  expect(await tidemark("plan", "--sql")).toMatch(
    /-- repeatable\/b_shout .*\nBEGIN;\ncreate or replace function shout[\s\S]*COMMIT;/,
  );
  expect(await tidemark("wait", "--timeout", "0")).toMatch(
    /exit code 5[\s\S]*0 of 3 migrations are still pending, and 1 repeatable: repeatable\/b_shout/,
  );
  expect(await tidemark("migrate")).toContain("Nothing pending. Ran 1 repeatable in <duration>.");
  expect(await tidemark("wait", "--timeout", "0")).toContain("exit code 0");
  expect(await tidemark("events", "--tag", "repeatable/b_shout")).toMatch(
    /repeatable\.done[\s\S]*new[\s\S]*repeatable\.done[\s\S]*changed/,
  );
});

test("one that is removed is reported, and nothing is dropped", async () => {
  await tidemark("migrate");
  await rm(join(shop.project.root, "drizzle/repeatable/a_authors.sql"));
  expect(await tidemark("status")).toMatch(
    /repeatable\/a_authors +DONE MISSING[\s\S]*repeatable\/a_authors ran here and is not in the folder/,
  );
  expect(await tidemark("migrate")).toContain("Nothing pending.");
  expect(await shop.database.sql`select * from authors`).toHaveLength(1);
});

test("tidemark.sum has a line each, and a run refuses what does not match it", async () => {
  expect(await tidemark("sum")).toContain("exit code 0");
  await shop.project.write("drizzle/repeatable/b_shout.sql", `${FUNCTION}-- edited\n`);
  await rm(join(shop.project.root, "drizzle/repeatable/a_authors.sql"));
  await shop.project.write("drizzle/repeatable/c.sql", "select 1;");
  const refused = await tidemark("migrate");
  expect(refused).toContain("exit code 2");
  expect(refused).toMatch(/repeatable\/b_shout.sql was sha256/);
  expect(refused).toContain("repeatable/c.sql is not listed");
  expect(refused).toContain("repeatable/a_authors.sql is listed but does not exist");
  await tidemark("sum");
  expect(await tidemark("migrate")).toContain("ran 2 repeatables");
});

test("drift knows what they made, and names those that it cannot compare", async () => {
  await tidemark("migrate");
  const scratch = ["--scratch-url", inject("serverUrl")];
  expect(await tidemark("drift", ...scratch)).toContain("exit code 0");
  await shop.database.sql`create or replace view authors as select author from notes`;
  expect(await tidemark("drift", ...scratch)).toMatch(/exit code 4[\s\S]*authors/);
  await shop.project.write("drizzle/repeatable/b_shout.sql", `${FUNCTION}-- edited\n`);
  expect(await tidemark("drift", ...scratch)).toContain(
    "1 repeatable ran here with another text than the folder's, or not at all: repeatable/b_shout.",
  );
});
