import { describe, expect, test } from "vitest";
import { DatabaseMigrator, type Progress } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({ "0000_a": "create table a (id int);", "0001_b": "select 1;" });

const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir, lockTries: 3 });
const failing = async (sql: string) => {
  await folder.write("0001_b", sql);
  const progress: Progress[] = [];
  const error = await migrator()
    .migrate({ onProgress: (item) => progress.push(item) })
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  return { error, kinds: progress.map(({ kind }) => kind) };
};

describe("a lock that was not granted is told from code that says so", () => {
  test.each(["55P03", "40P01"])("RAISE with %s is not tried again", async (state) => {
    const { error, kinds } = await failing(
      `do $$ begin raise exception 'busy' using errcode = '${state}', hint = 'Later.'; end $$;`,
    );
    expect(error).toMatchObject({
      code: "migration_failed",
      recorded: { sqlState: state, message: "busy", hint: "Later." },
    });
    expect(kinds).not.toContain("lock-retry");
  });
});

describe("what no transaction can hold, and the grammar cannot see, is told how to run", () => {
  test.each([
    ["COMMIT in a DO block", "do $$ begin insert into a values (1); commit; end $$;"],
    [
      "COMMIT in a procedure",
      "create procedure p() language plpgsql as $$ begin commit; end $$;\ncall p();",
    ],
    ["ROLLBACK in a DO block", "do $$ begin rollback; end $$;"],
    [
      "CONCURRENTLY in a DO block",
      "do $$ begin execute 'create index concurrently a_idx on a (id)'; end $$;",
    ],
    ["VACUUM in a DO block", "do $$ begin execute 'vacuum a'; end $$;"],
  ])("%s", async (name, sql) => {
    const { error } = await failing(sql);
    expect(error).toMatchObject({ code: "migration_failed" });
    const remedy = String((error as Error).message);
    if (name.startsWith("COMMIT") || name.startsWith("ROLLBACK")) {
      expect(remedy).toContain("-- tidemark: no-transaction");
    } else expect(remedy).toContain("a statement of its own");
  });

  test("and runs so", async () => {
    await folder.write(
      "0001_b",
      "-- tidemark: no-transaction\ndo $$ begin insert into a values (1); commit; end $$;",
    );
    expect(await migrator().migrate()).toMatchObject({ outcome: "applied" });
  });
});

describe("a file that is refused before anything runs", () => {
  test.each([
    [
      "data lines of COPY",
      "copy a (id) from stdin;\n1\n2\n\\.\n",
      "unsupported_statement",
      /COPY from or to the client.* are rows and no SQL.*pg_dump --inserts/s,
    ],
    [
      "data lines of COPY with words",
      "COPY public.a (id, name) FROM stdin WITH (format csv);\nada;lovelace\n\\.\nselect 1;",
      "unsupported_statement",
      /pg_dump --inserts/,
    ],
    ["a mistake", "selct 1;", "history_invalid", /syntax error/],
    ["a refused statement", "rollback;", "unsupported_statement", /ROLLBACK/],
    ["a write to the ledger", "delete from tidemark.runner;", "unsupported_statement", /runner/],
  ])("leaves no ledger behind: %s", async (_, sql, code, words) => {
    const { error } = await failing(sql);
    expect(error).toMatchObject({ code });
    expect(String((error as Error).message)).toMatch(words);
    expect(await database.sql`select to_regnamespace('tidemark') as it`).toEqual([{ it: null }]);
  });
});

test("an error text of 20 MB is cut where it is recorded, and where it is printed", async () => {
  const { error } = await failing(
    "do $$ begin raise exception '%', repeat('x', 20000000) using hint = repeat('y', 20000000); end $$;",
  );
  expect((error as Error).message.length).toBeLessThan(100_000);
  expect((error as Error).message).toContain("characters are left out");
  const [row] = await database.sql`select length(payload::text) as n from tidemark.migration_events
    where type = 'migration.failed'`;
  expect(row?.n).toBeLessThan(200_000);
  expect((error as Error).message).toMatch(/^.*0001_b\.sql:1:1: x/);
});
