import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { branchOf, createMigrated1x, type Project1x, RENAMED_1X } from "../helpers/project-1x.ts";

describe("tidemark verify with drizzle-kit 1.x", () => {
  let made: Project1x;
  beforeAll(async () => {
    made = await createMigrated1x();
  });
  afterAll(() => made.remove());

  test("passes what generate wrote: a rename, SQL by hand, and down files", async () => {
    const here = await branchOf(made, RENAMED_1X);
    expect(await here.shown("verify")).toMatchInlineSnapshot(`
      "exit code 0
      --- stdout
      ✓ Nothing is left to generate from the Drizzle schema
      ✓ The files and the snapshots agree (3 migrations)
      ✓ tidemark.sum matches the files
      – Nothing that the base has was edited or removed: not checked (name the branch with --base)
      – New migrations come after those of the base: not checked (name the branch with --base)
      ✓ The SQL can be run
          warning drizzle/<time>_rename/migration.sql:1 takes a lock ACCESS EXCLUSIVE on users, which is not made in this file.
          It is held until the transaction ends: keep the file small.
      ✓ All migrations run on an empty database (3 migrations)
      ✓ A second run does nothing
      ✓ The replay makes what the Drizzle schema says
      ✓ Each down file leads back, and the migration runs again (3 of 3 down files)
      Verified: 8 checks in <duration>, 2 not checked, 1 warning.
      --- stderr
      Next: commit the migrations; CI verifies them against the base.
      "
    `);
  });

  test("reports two branches that change the same thing, as generate does, with the ways out", async () => {
    const [here, there] = [
      await branchOf(made, RENAMED_1X.replace("id:", "email: text(), id:")),
      await branchOf(made, RENAMED_1X.replace("id:", "email: integer(), id:")),
    ];
    await here.done("generate", "mine");
    await there.done("generate", "theirs");
    await here.merge(there);
    const before = await here.files();
    expect(await here.shown("generate", "next")).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (history_invalid) Two branches change the same thing, and drizzle-kit refuses to continue:
        after drizzle/<time>_by_hand:
          drizzle/<time>_mine: add_column: email on users table (<time>_mine)
          drizzle/<time>_theirs: add_column: email on users table (<time>_theirs)
      Nothing was written. Move your branch's own behind the other, if no database has run it: \`tidemark rebase --base <branch>\`. Or delete its folder, run \`tidemark sum\`, and generate it again.
      \`npx drizzle-kit generate --fix-conflicts\` would delete drizzle/<time>_mine, drizzle/<time>_theirs, and write one migration instead: only where no database has run any of them.
      "
    `);
    expect(await here.files()).toEqual(before);
    expect(await here.problems()).toEqual([
      expect.stringContaining(
        "schema failed error: Two branches change the same thing, and drizzle-kit refuses to continue:",
      ),
      expect.stringContaining("files passed warning: drizzle holds branches that end with"),
      expect.stringContaining("replay failed error:"),
    ]);
  });
});
