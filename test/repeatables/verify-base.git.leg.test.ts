import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createVerifyProject } from "../helpers/verify-project.ts";

test("against a base a changed repeatable is fine, and a removed one is a warning", {
  timeout: 180_000,
}, async () => {
  const here = await createVerifyProject();
  onTestFinished(here.remove);
  await here.write(".gitignore", "node_modules\n");
  await here.write(
    "drizzle/repeatable/named.sql",
    "create or replace view named as select id from users;",
  );
  await here.write(
    "drizzle/repeatable/gone.sql",
    "create or replace view gone as select id from users;",
  );
  await here.run(["sum"]);
  await here.git("init", "--quiet", "--initial-branch=main");
  await here.git("add", ".");
  await here.git("commit", "--quiet", "--message=base");
  await here.git("checkout", "--quiet", "-b", "mine");
  await here.write(
    "drizzle/repeatable/named.sql",
    "create or replace view named as select name from users;",
  );
  await rm(join(here.root, "drizzle", "repeatable", "gone.sql"));
  await here.run(["sum"]);
  const { code, notPassed, found } = await here.verify("--base", "main");
  expect({ code, notPassed }).toEqual({ code: 0, notPassed: [] });
  expect(found("repeatables")).toEqual([
    "warning drizzle/repeatable/gone.sql drizzle/repeatable/gone.sql is in main and not here: databases where it ran keep what it made.",
  ]);
});
