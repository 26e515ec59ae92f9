import { beforeEach, describe, expect, inject, test } from "vitest";
import { migrateWithDrizzle } from "../helpers/drizzle-migrators.ts";
import { useProject } from "../helpers/project-fixture.ts";

const here = useProject();
/** Compared on the tests' own server; without the lines that only a slow machine shows. */
const tidemark = async (...args: readonly string[]) => {
  const scratch = args[0] === "adopt" ? ["--scratch-url", inject("serverUrl")] : [];
  const text = await here.tidemark(...args, ...scratch);
  return text.replaceAll(/^.* <duration>\n/gm, "");
};

const HISTORY = {
  "0000_users": "create table users (id integer primary key);",
  "0001_names":
    "alter table users add column name text;\nalter table users add column age integer;",
  "0002_posts": "create table posts (id integer primary key, author integer references users);",
  "0003_fill": "insert into users (id, name) values (1, 'ada');",
  "0004_index": "create index posts_author on posts (author);",
} as const;

/** What `push` makes of the schema as it was after the third: the same, in another order. */
const PUSHED = `create table users (id integer primary key, age integer, name text);
  create table posts (id integer primary key, author integer references users);`;

const hasLedger = async () => {
  const [row] = await here.database.sql`select to_regclass('tidemark.runner') is not null as has`;
  return row?.has;
};

beforeEach(async () => {
  for (const [tag, sql] of Object.entries(HISTORY))
    await here.project.write(`drizzle/${tag}.sql`, sql);
  await here.project.list(Object.keys(HISTORY));
});

describe("a database that no migrator has made", () => {
  test("is taken over up to the migration that leads to it", async () => {
    await here.database.sql.unsafe(`${PUSHED} create index posts_author on posts (author);`);
    expect(await tidemark("adopt", "--baseline")).toMatchInlineSnapshot(`
      "exit code 4
      --- stderr
      Proven on a scratch database: 0004_index leads to this database (6 replays compared).
      error (adopt_required) The catalog is what 0004_index leaves, but does not show whether these changed rows here:
        0003_fill: INSERT users
      Nothing was written. \`drizzle-kit push\` runs no such statements. Check the rows; then \`tidemark adopt --baseline 0004_index\` records all of them as applied. What is missing goes into a new migration.
      "
    `);
    expect(await hasLedger()).toBe(false);
    expect(await tidemark("adopt", "--baseline", "0004_index")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      5 migrations recorded as applied. None was run.
      0 pending.
      --- stderr
      Proven on a scratch database: 0004_index leads to this database (1 replay compared).
      warning: a catalog does not show rows, so it is not proven that these ran here:
        0003_fill: INSERT users
      created the ledger in schema tidemark
      recorded 5 migrations as applied
      "
    `);
    expect(await tidemark("events", "--json")).toContain('"by":"comparison"');
    expect(await tidemark("migrate")).toContain("Nothing pending");
    expect(await tidemark("adopt", "--baseline")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (usage) The ledger has 5 applied migrations already.
      Nothing was written. \`tidemark drift\` compares the database with them; --mark-applied <tag> adds one.
      "
    `);
  });

  test("is taken over without a question where every migration shows in the catalog", async () => {
    await here.project.list(Object.keys(HISTORY).slice(0, 3));
    await here.database.sql.unsafe(PUSHED);
    expect(await tidemark("adopt", "--baseline", "--dry-run")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      3 migrations would be recorded as applied. Nothing was written.
      0 pending.
      --- stderr
      Proven on a scratch database: 0002_posts leads to this database (4 replays compared).
      "
    `);
    expect(await hasLedger()).toBe(false);
    expect(await tidemark("adopt", "--baseline")).toContain("3 migrations recorded as applied.");
  });

  test("needs an answer where migrations that change only rows may have run, or not", async () => {
    await here.database.sql.unsafe(PUSHED);
    expect(await tidemark("adopt", "--baseline")).toMatchInlineSnapshot(`
      "exit code 4
      --- stderr
      Proven on a scratch database: 0003_fill leads to this database, and so does 0002_posts (6 replays compared).
      error (adopt_required) 0002_posts, 0003_fill lead to the same catalog: those after the first change only rows, and nothing shows which of them ran here.
      Nothing was written. Name the last one that was applied: tidemark adopt --baseline 0002_posts or tidemark adopt --baseline 0003_fill.
      "
    `);
    expect(await hasLedger()).toBe(false);
    expect(await tidemark("adopt", "--baseline", "0002_posts")).toContain(
      "2 pending: 0003_fill, 0004_index.",
    );
    expect(await tidemark("migrate")).toContain("Applied 2 migrations");
    expect(await here.database.sql`select id from users`).toEqual([{ id: 1 }]);
  });

  test("is named with what differs from the nearest, and is not taken over unasked", async () => {
    await here.database.sql.unsafe(`${PUSHED} alter table posts add column title text;`);
    expect(await tidemark("adopt", "--baseline")).toMatchInlineSnapshot(`
      "exit code 4
      --- stderr
      column public.posts.title: unexpected
        expected  nothing
        found     text

      The nearest is 0003_fill: 1 difference (6 replays compared).
      error (drift) No migration leads to this database. The nearest is 0003_fill, with 1 difference.
      Nothing was written. Correct the database, leave out what may differ with --ignore, or take the differences as they are with --accept-differences.
      "
    `);
    expect(await hasLedger()).toBe(false);
    expect(
      await tidemark("adopt", "--baseline", "0002_posts", "--ignore", "public.posts.title"),
    ).toContain("3 migrations recorded as applied.");
    expect(await tidemark("adopt", "--baseline", "0009_no")).toContain("exit code 2");
  });
});

describe("evidence for what drizzle's table says", () => {
  test("is a replay that leads to the database", async () => {
    await here.project.list(Object.keys(HISTORY).slice(0, 3));
    await migrateWithDrizzle("0.x", {
      url: here.database.url,
      dir: `${here.project.root}/drizzle`,
    });
    await here.database.sql.unsafe("drop table posts");
    expect(await tidemark("adopt", "--verify")).toMatchInlineSnapshot(`
      "exit code 4
      --- stderr
      table public.posts: missing
        expected  it is there
        found     nothing
      error (drift) The 3 migrations to be recorded as applied do not lead to this database: 1 difference.
      Nothing was written. Find out which of them did not run here, or what was changed by hand. Leave out what may differ with --ignore, or take the differences as they are with --accept-differences.
      "
    `);
    expect(await hasLedger()).toBe(false);
    await here.database.sql.unsafe(HISTORY["0002_posts"]);
    expect(await tidemark("adopt", "--verify")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      drizzle.__drizzle_migrations has 3 rows, each of one migration:
      row  time  migration  verdict
      1  <time>  0000_users  matched
      2  <time>  0001_names  matched
      3  <time>  0002_posts  matched

      3 migrations recorded as applied. None was run.
      drizzle.__drizzle_migrations is kept up to date: drizzle can go on from here.
      0 pending.
      --- stderr
      Proven on a scratch database: the 3 migrations lead to this database.
      created the ledger in schema tidemark
      took over 3 migrations that drizzle.__drizzle_migrations has as applied
      "
    `);
  });
});
