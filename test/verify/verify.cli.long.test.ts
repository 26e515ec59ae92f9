import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from "vitest";
import { loadHistory } from "../../src/db/migrate/index.ts";
import { withScratchServer } from "../../src/db/scratch/index.ts";
import { withReplay } from "../../src/db/scratch/replay.ts";
import type { CheckResult } from "../../src/db/verify/index.ts";
import { checkReplay, checkRerun } from "../../src/db/verify/replay-checks.ts";
import { historyFolder } from "../helpers/history.ts";
import { screen } from "../helpers/screen.ts";
import {
  copyOf,
  createVerifyProject,
  USERS,
  type Verified,
  type VerifyProject,
} from "../helpers/verify-project.ts";

let original: VerifyProject;

beforeAll(async () => {
  original = await createVerifyProject();
});

afterAll(() => original.remove());

const MEDDLE = `create table made (id integer);
alter table made add column a integer;
alter table users add constraint users_id check (id > 0);
commit;
`;

async function edit(here: VerifyProject, file: string, from: string | RegExp, to: string) {
  const text = await here.read(file);
  const edited = text.replace(from, to);
  expect(edited).not.toBe(text);
  await here.write(`drizzle/${file}`, edited);
}

describe("tidemark verify", () => {
  test("passes a project as the commands leave it, with what was written by hand", async () => {
    const here = await copyOf(original);
    onTestFinished(here.remove);
    const options = ["--format", "github", "--quiet"];
    const result = await here.type("verify", ...options);
    const text = screen(result, { project: here.root }).replace(/\d+\.\d s/, "<time>");
    expect(text).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      ✓ Nothing is left to generate from the Drizzle schema
      ✓ The files and the snapshots agree (3 migrations)
      ✓ tidemark.sum matches the files
      – Nothing that the base has was edited or removed: not checked (name the branch with --base)
      – New migrations come after those of the base: not checked (name the branch with --base)
      ✓ The SQL can be run
          warning drizzle/0001_by_hand.sql:2 takes a lock SHARE ROW EXCLUSIVE on users, which is not made in this file.
          It is held until the transaction ends: keep the file small.
          warning drizzle/0002_add_email.sql:1 takes a lock ACCESS EXCLUSIVE on users, which is not made in this file.
          It is held until the transaction ends: keep the file small.
          warning drizzle/0002_add_email.sql:2 takes a lock ACCESS EXCLUSIVE on users, which is not made in this file.
          The whole table is read under it. To avoid that, build an index CONCURRENTLY first, and ADD CONSTRAINT … USING INDEX.
      ✓ All migrations run on an empty database (3 migrations)
      ✓ A second run does nothing
      ✓ The replay makes what the Drizzle schema says
          warning table public.notes is not expected: 0001_by_hand makes it by hand.
          The Drizzle schema does not have it. That is fine if Drizzle need not know about it.
      ✓ Each down file leads back, and the migration runs again (3 of 3 down files)
      ::warning file=drizzle/0001_by_hand.sql,line=2,title=tidemark verify%3A sql::drizzle/0001_by_hand.sql:2 takes a lock SHARE ROW EXCLUSIVE on users, which is not made in this file.%0AIt is held until the transaction ends: keep the file small.
      ::warning file=drizzle/0002_add_email.sql,line=1,title=tidemark verify%3A sql::drizzle/0002_add_email.sql:1 takes a lock ACCESS EXCLUSIVE on users, which is not made in this file.%0AIt is held until the transaction ends: keep the file small.
      ::warning file=drizzle/0002_add_email.sql,line=2,title=tidemark verify%3A sql::drizzle/0002_add_email.sql:2 takes a lock ACCESS EXCLUSIVE on users, which is not made in this file.%0AThe whole table is read under it. To avoid that, build an index CONCURRENTLY first, and ADD CONSTRAINT … USING INDEX.
      ::warning title=tidemark verify%3A drizzle::table public.notes is not expected: 0001_by_hand makes it by hand.%0AThe Drizzle schema does not have it. That is fine if Drizzle need not know about it.
      Verified: 8 checks in <duration>, 2 not checked, 4 warnings.
      "
    `);
  });
});

describe("planted all at once, each is found where it belongs", () => {
  let result: Verified;

  beforeAll(async () => {
    const here = await copyOf(original);
    await here.run(["generate", "meddle", "--custom"]);
    await here.write("drizzle/0003_meddle.sql", MEDDLE);
    // Before one that the base has, and dated so.
    const journal = JSON.parse(await here.read("meta/_journal.json"));
    const [first, second, third, mine] = journal.entries;
    journal.entries = [first, second, { ...mine, when: second.when - 1 }, third];
    await here.write("drizzle/meta/_journal.json", JSON.stringify(journal, null, 2));
    await edit(here, "0000_create_users.sql", '("name")', '("name","age")');
    await edit(here, "0000_create_users.sql", /$/, "\nCREATE TABLE stray ();\n");
    await here.schema(USERS.replace("age: integer()", "years: integer(), email: text().unique()"));
    await here.run(["sum"]);
    await edit(here, "0002_add_email.down.sql", /^ALTER TABLE.*DROP COLUMN.*$/m, "");
    await edit(here, "0001_by_hand.down.sql", "DROP FUNCTION", "DROP FUNKTION");
    await here.write("drizzle/0000_create_users.down.sql", "-- irreversible:\n");
    await here.write("drizzle/0007_stray.sql", "select 1;\n");
    result = await here.verify();
    await here.remove();
  });

  test("the exit code says so", () => {
    expect(result.code).toBe(4);
    expect(result.report.ok).toBe(false);
  });

  test.each<{ what: string; check: CheckResult["name"]; said: readonly RegExp[] }>([
    {
      what: "a schema that was changed and not generated, with a rename that somebody must answer",
      check: "schema",
      said: [
        /^error - The Drizzle schema has changes that no migration has\. .*--rename users\.age=years/s,
      ],
    },
    {
      what: "a file without a journal entry, and, as a warning, snapshots in another order",
      check: "files",
      said: [
        /^error drizzle\/0007_stray\.sql drizzle\/0007_stray\.sql has no entry in meta\/_journal\.json/,
        /^warning drizzle\/meta\/0003_snapshot\.json .* follows another snapshot than the one before it in the journal \(so do meta\/0002_snapshot\.json\)/,
      ],
    },
    {
      what: "files that were edited after the sum was written",
      check: "sum",
      said: [
        /0000_create_users\.down\.sql was .*0001_by_hand\.down\.sql was .*0002_add_email\.down\.sql was/s,
      ],
    },
    {
      what: "a time that goes back, as a warning: nobody knows which are new",
      check: "order",
      said: [/^warning drizzle\/meta\/_journal\.json:\d+ 0003_meddle has the time \d+/],
    },
    {
      what: "strong locks, and a COMMIT",
      check: "sql",
      said: [
        /^warning drizzle\/0001_by_hand\.sql:2 .* a lock SHARE ROW EXCLUSIVE on users/,
        /^warning drizzle\/0003_meddle\.sql:3 .*:3 takes a lock ACCESS EXCLUSIVE on users, which is not made in this file\.$/,
        /^warning drizzle\/0003_meddle\.sql:4 .*:4 holds a COMMIT: if a later statement fails, everything before it stays\.$/,
        /^warning drizzle\/0002_add_email\.sql:1 .* a lock ACCESS EXCLUSIVE on users/,
        /^warning drizzle\/0002_add_email\.sql:2 .* a lock ACCESS EXCLUSIVE on users/,
      ],
    },
    { what: "nothing in a replay that works", check: "replay", said: [] },
    { what: "nothing in a second run that has nothing to do", check: "rerun", said: [] },
    {
      what: "an index that was edited in the SQL, tables that nobody declares; not what is to be generated",
      check: "drizzle",
      said: [
        // They were made by hand on purpose, in files of their own.
        /^warning - table public\.made is not expected: 0003_meddle makes it by hand\.$/,
        /^warning - table public\.notes is not expected: 0001_by_hand makes it by hand\.$/,
        /^error - table public\.stray is not expected\.$/,
        /^warning - constraint public\.users\.users_id is not expected.*: 0003_meddle makes it by hand\.$/,
        /^error - index public\.users_name_idx: definition: expected .*\(name\), found .*\(name, age\)\.$/,
      ],
    },
    {
      what: "down files that are missing, that fail, that do not lead back, that say nothing",
      check: "down",
      said: [
        /^error drizzle\/0003_meddle\.sql drizzle\/0003_meddle\.down\.sql is missing: 0003_meddle has no way back\.$/,
        /^error drizzle\/0001_by_hand\.down\.sql:\d+ .*does not lead back: .*syntax error/s,
        /^error drizzle\/0002_add_email\.down\.sql .*the way back leaves: column public\.users\.email is not expected \(text\)\.$/,
        /^error drizzle\/0000_create_users\.down\.sql:1 .* says `-- irreversible:` without a reason\.$/,
      ],
    },
  ])("$check: $what", ({ check, said }) => {
    expect(result.found(check)).toEqual(said.map((pattern) => expect.stringMatching(pattern)));
  });
});

test("a replay that fails half-way is found at its place; what needs it is not looked at", async () => {
  const here = await copyOf(original);
  onTestFinished(here.remove);
  await edit(here, "0002_add_email.sql", '"users"', '"usrs"');
  await edit(here, "0001_by_hand.sql", "create table notes", "creat table notes");
  await here.run(["sum"]);
  const broken = await here.verify();
  expect(broken.notPassed).toEqual([
    ...["sql failed", "replay failed"],
    ...["rerun blocked", "drizzle blocked"],
  ]);
  expect(broken.found("sql")).toEqual([
    expect.stringMatching(/^error drizzle\/0001_by_hand\.sql:4 .*syntax error at or near "creat"/s),
    expect.stringMatching(/^warning /),
    expect.stringMatching(/^warning /),
  ]);
  await here.write("drizzle/0001_by_hand.sql", await original.read("0001_by_hand.sql"));
  const failing = await here.verify();
  expect(failing.notPassed).toEqual([
    ...["sum failed", "replay failed", "rerun blocked", "drizzle blocked"],
  ]);
  expect(failing.found("replay")).toEqual([
    expect.stringMatching(
      /^error drizzle\/0002_add_email\.sql:1 .*relation "usrs" does not exist/s,
    ),
  ]);
});

test("a migration after which a second run is no no-op is found", async () => {
  const folder = await historyFolder({
    "0000_first": "select 1",
    // As nobody would by mistake: the ledger refuses it otherwise.
    "0001_meddle": `do $$ begin
      execute 'alter table tidemark.schema_migrations disable trigger schema_migrations_kept';
      execute 'delete from tidemark.schema_migrations where tag = ''0000_first''';
    end $$`,
  });
  onTestFinished(folder.remove);
  const { migrations } = await loadHistory(folder.dir);
  const found = await withScratchServer({ url: inject("serverUrl"), dir: "unused" }, (server) =>
    withReplay({ server, migrations, ledgerSchema: "tidemark" }, async (replay) => {
      expect(await checkReplay(replay)).toMatchObject({ findings: [], count: 2 });
      return checkRerun(replay);
    }),
  );
  expect(found.findings).toEqual([
    {
      level: "error",
      fact: expect.stringMatching(/^After all migrations have run: .*0000_first/),
      remedy: expect.stringContaining("must leave Tidemark's own schema alone"),
    },
  ]);
});
