import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({ "0000_first": "select 1;" });
const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });
const write = (sql: string) => folder.write("0000_first", sql);

test("a file with no-parse runs as it is, in one transaction with its record", async () => {
  await write("-- tidemark: no-parse\ncreate table a (id int);\ninsert into a values (1), (2);\n");
  await migrator().migrate();
  expect(await database.sql`select count(*)::int as n from a`).toEqual([{ n: 2 }]);
  const [done] = (await migrator().events({})).slice(-1);
  expect(done?.payload).toMatchObject({ statement: 1, statements: 1 });
});

test("what fails in it takes all of it back, with the server's place in the file", async () => {
  await write("-- tidemark: no-parse\ncreate table a (id int);\ninsert into a values (1 / 0);\n");
  await expect(migrator().migrate()).rejects.toMatchObject({ code: "migration_failed" });
  expect(await database.sql`select to_regclass('a') as a`).toEqual([{ a: null }]);
  await write("-- tidemark: no-parse\ncreate table a (id int);\nselekt 1;\n");
  await expect(migrator().migrate()).rejects.toMatchObject({
    code: "migration_failed",
    fact: expect.stringContaining('0000_first.sql:3:1: syntax error at or near "selekt"'),
  });
});

test.each(["commit", "BEGIN", "rollback", "savepoint a", "end"])(
  "%s in it is refused before anything runs",
  async (statement) => {
    await write(`-- tidemark: no-parse\nselect 1; ${statement}; select 2;\n`);
    await expect(migrator().migrate()).rejects.toMatchObject({
      code: "unsupported_statement",
      fact: expect.stringContaining("is run unread, in one transaction"),
    });
  },
);
