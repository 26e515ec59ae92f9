import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { screen } from "../helpers/screen.ts";
import {
  copyOf,
  createVerifyProject,
  USERS,
  type VerifyProject,
} from "../helpers/verify-project.ts";

let original: VerifyProject;

beforeAll(async () => {
  original = await createVerifyProject();
});

afterAll(() => original.remove());

/** A copy of the project, which the test may break. */
async function project(): Promise<VerifyProject> {
  const copy = await copyOf(original);
  onTestFinished(copy.remove);
  return copy;
}

async function edit(here: VerifyProject, file: string, from: string | RegExp, to: string) {
  const text = await here.read(file);
  const edited = text.replace(from, to);
  expect(edited).not.toBe(text);
  await here.write(`drizzle/${file}`, edited);
}

describe("tidemark verify", () => {
  test("passes a project as the commands leave it, with what was written by hand", async () => {
    const here = await project();
    const result = await here.type("verify", "--format", "github", "--quiet");
    const text = screen(result, { project: here.root }).replace(/\d+\.\d s/, "<time>");
    expect(text).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      ✓ Nothing is left to generate from the Drizzle schema
      ✓ The journal, the files and the snapshots agree (3 migrations)
      ✓ tidemark.sum is that of the files
      – Nothing that the base has was edited or taken away: not looked at (name the branch with --base)
      – New migrations come after those of the base: not looked at (name the branch with --base)
      ✓ The SQL can be run
          warning drizzle/0001_by_hand.sql:2 takes a lock SHARE ROW EXCLUSIVE on users, which is not made in this file.
          It is held until the transaction ends: keep the file small.
          warning drizzle/0002_add_email.sql:1 takes a lock ACCESS EXCLUSIVE on users, which is not made in this file.
          It is held until the transaction ends: keep the file small.
          warning drizzle/0002_add_email.sql:2 takes a lock ACCESS EXCLUSIVE on users, which is not made in this file.
          The whole table is read under it. An index built CONCURRENTLY before, and ADD CONSTRAINT … USING INDEX, saves that.
      ✓ All migrations run on an empty database (3 migrations)
      ✓ A second run does nothing
      ✓ The replay makes what the Drizzle schema says
          warning table public.notes is not expected: 0001_by_hand makes it by hand.
          The Drizzle schema does not say so. That is fine where Drizzle need not know of it.
      ✓ Each down file leads back, and the migration runs again (3 of 3 down files)
      ::warning file=drizzle/0001_by_hand.sql,line=2,title=tidemark verify%3A sql::drizzle/0001_by_hand.sql:2 takes a lock SHARE ROW EXCLUSIVE on users, which is not made in this file.%0AIt is held until the transaction ends: keep the file small.
      ::warning file=drizzle/0002_add_email.sql,line=1,title=tidemark verify%3A sql::drizzle/0002_add_email.sql:1 takes a lock ACCESS EXCLUSIVE on users, which is not made in this file.%0AIt is held until the transaction ends: keep the file small.
      ::warning file=drizzle/0002_add_email.sql,line=2,title=tidemark verify%3A sql::drizzle/0002_add_email.sql:2 takes a lock ACCESS EXCLUSIVE on users, which is not made in this file.%0AThe whole table is read under it. An index built CONCURRENTLY before, and ADD CONSTRAINT … USING INDEX, saves that.
      ::warning title=tidemark verify%3A drizzle::table public.notes is not expected: 0001_by_hand makes it by hand.%0AThe Drizzle schema does not say so. That is fine where Drizzle need not know of it.
      Verified: 8 checks in <duration>, 2 not looked at, 4 warnings.
      "
    `);
  });

  test("finds a schema that was changed and not generated, and a rename that somebody must answer", async () => {
    const here = await project();
    await here.schema(USERS.replace("age: integer()", "years: integer(), email: text().unique()"));
    const { code, notPassed, found } = await here.verify();
    expect(code).toBe(4);
    expect(notPassed).toEqual(["schema failed", "drizzle failed"]);
    expect(found("schema")).toEqual([
      expect.stringMatching(
        /^error - The Drizzle schema has changes that no migration has\. .*users\.age=years/s,
      ),
    ]);
    expect(found("drizzle")).toEqual([
      expect.stringMatching(/^warning - table public\.notes /),
      "error - column public.users.age is not expected (integer).",
      "error - column public.users.years is missing (integer).",
    ]);
  });

  test("finds what was edited after it was generated: a stale sum, and a file that fails, at its place", async () => {
    const here = await project();
    await edit(here, "0002_add_email.sql", /UNIQUE/, "UNIQE");
    await edit(here, "0001_by_hand.sql", "comment on table users", "comment on table usrs");
    const { code, notPassed, found } = await here.verify();
    expect(code).toBe(4);
    expect(notPassed).toEqual([
      "sum failed",
      "sql failed",
      "replay failed",
      "rerun blocked",
      "drizzle blocked",
    ]);
    expect(found("sum")).toEqual([
      expect.stringMatching(
        /tidemark\.sum does not match .*0001_by_hand\.sql was sha256:.*0002_add_email\.sql was/s,
      ),
    ]);
    expect(found("sql")).toEqual([
      expect.stringMatching(/^warning drizzle\/0001_by_hand\.sql:2 /),
      expect.stringMatching(
        /^error drizzle\/0002_add_email\.sql:2 .*syntax error at or near "UNIQE"/s,
      ),
    ]);
  });

  test("finds an index that was edited by hand, whatever the sum says, and a table that nobody declares", async () => {
    const here = await project();
    await edit(here, "0000_create_users.sql", '("name")', '("name","age")');
    await edit(
      here,
      "0000_create_users.sql",
      /$/,
      "--> statement-breakpoint\nCREATE TABLE stray ();\n",
    );
    await here.run(["sum"]);
    const { code, notPassed, found } = await here.verify();
    expect(code).toBe(4);
    expect(notPassed).toEqual(["drizzle failed", "down failed"]);
    expect(found("drizzle")).toEqual([
      // It was made by hand on purpose, in a file of its own.
      "warning - table public.notes is not expected: 0001_by_hand makes it by hand.",
      "error - table public.stray is not expected.",
      expect.stringMatching(
        /^error - index public\.users_name_idx: definition: expected .*\(name\), found .*\(name, age\)\.$/,
      ),
    ]);
  });

  test("finds down files that do not lead back, that fail, that are missing, that say nothing", async () => {
    const here = await project();
    await edit(here, "0002_add_email.down.sql", /^ALTER TABLE.*DROP COLUMN.*$/m, "");
    await edit(here, "0001_by_hand.down.sql", "DROP FUNCTION", "DROP FUNKTION");
    await here.write("drizzle/0000_create_users.down.sql", "-- irreversible:\n");
    const first = await here.verify();
    expect(first.code).toBe(4);
    expect(first.notPassed).toEqual(["sum failed", "down failed"]);
    expect(first.found("down")).toEqual([
      expect.stringMatching(
        /^error drizzle\/0001_by_hand\.down\.sql:\d+ .*does not lead back: .*syntax error/s,
      ),
      "error drizzle/0002_add_email.down.sql drizzle/0002_add_email.down.sql does not lead back: the way back leaves: column public.users.email is not expected (text).",
      "error drizzle/0000_create_users.down.sql:1 drizzle/0000_create_users.down.sql says `-- irreversible:` without a reason.",
    ]);

    await here.delete("drizzle/0002_add_email.down.sql");
    await here.write("drizzle/0000_create_users.down.sql", "-- irreversible: it is the first\n");
    await here.write("drizzle/0001_by_hand.down.sql", await original.read("0001_by_hand.down.sql"));
    await here.run(["sum"]);
    const second = await here.verify();
    expect(second.notPassed).toEqual(["down failed"]);
    expect(second.found("down")).toEqual([
      "error drizzle/0002_add_email.sql drizzle/0002_add_email.down.sql is not there: 0002_add_email has no way back.",
    ]);
  });

  test("finds a migration that makes a second run no no-op, and warns of COMMIT and strong locks", async () => {
    const here = await project();
    await here.run(["generate", "meddle", "--custom"]);
    await here.write(
      "drizzle/0003_meddle.sql",
      `create table made (id integer);
alter table made add column a integer;
alter table users add constraint users_age check (age > 0);
commit;
delete from tidemark.schema_migrations where tag = '0000_create_users';
`,
    );
    await here.run(["sum"]);
    const { code, notPassed, found } = await here.verify();
    expect(code).toBe(4);
    expect(notPassed).toEqual(["rerun failed", "down failed"]);
    expect(found("rerun")).toEqual([
      expect.stringMatching(/^error - After all migrations have run: .*0000_create_users/s),
    ]);
    expect(found("sql").slice(-2)).toEqual([
      "warning drizzle/0003_meddle.sql:3 drizzle/0003_meddle.sql:3 takes a lock ACCESS EXCLUSIVE on users, which is not made in this file.",
      "warning drizzle/0003_meddle.sql:4 drizzle/0003_meddle.sql:4 holds a COMMIT: what stands before it stays, should the rest fail.",
    ]);
  });

  test("against a base finds what was edited, and what is older than the base's newest", async () => {
    const here = await project();
    await here.write(".gitignore", "node_modules\n");
    await here.git("init", "--quiet", "--initial-branch=main");
    await here.git("add", ".");
    await here.git("commit", "--quiet", "--message=base");
    expect(await here.verify("--base", "main")).toMatchObject({ code: 0, notPassed: [] });

    await here.git("checkout", "--quiet", "-b", "mine");
    await here.run(["generate", "mine", "--custom"]);
    await edit(here, "0000_create_users.sql", "\n", "\n-- edited\n");
    await here.run(["sum"]);
    const journal = JSON.parse(await here.read("meta/_journal.json"));
    const [first, second, third, mine] = journal.entries;
    journal.entries = [first, second, { ...mine, when: second.when - 1 }, third];
    await here.write("drizzle/meta/_journal.json", JSON.stringify(journal, null, 2));
    const { code, found } = await here.verify("--base", "main");
    expect(code).toBe(4);
    expect(found("base")).toEqual([
      "error drizzle/0000_create_users.sql:2 drizzle/0000_create_users.sql is not as main has it, from line 2 on.",
    ]);
    expect(found("order")).toEqual([
      "error drizzle/0003_mine.sql 0003_mine is older than 0002_add_email, the newest of main.",
      expect.stringMatching(/^error drizzle\/meta\/_journal\.json:\d+ 0003_mine has the time \d+/),
    ]);
    const unknown = await here.verify("--base", "nowhere");
    expect(unknown.found("base")).toEqual([
      "error - The base nowhere cannot be read in drizzle: git knows no such commit.",
    ]);
  });
});

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
    expect((await here.run(["down", "--missing"])).stdout).toContain("written: proven");
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
