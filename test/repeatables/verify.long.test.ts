import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import {
  copyOf,
  createVerifyProject,
  USERS,
  type VerifyProject,
} from "../helpers/verify-project.ts";

const VIEW = "create or replace view named as select id, name from users;\n";

let original: VerifyProject;

beforeAll(async () => {
  original = await createVerifyProject();
}, 120_000);

afterAll(() => original.remove());

async function withRepeatables(files: Readonly<Record<string, string>>) {
  const here = await copyOf(original);
  onTestFinished(here.remove);
  for (const [name, sql] of Object.entries(files)) {
    await here.write(`drizzle/repeatable/${name}.sql`, sql);
  }
  await here.run(["sum"]);
  return here;
}

test("verify runs them after the migrations, and the other checks do not mind them", {
  timeout: 120_000,
}, async () => {
  const here = await withRepeatables({
    a_shouted: "create or replace view shouted as select shout(name) as name from named;",
    b_named: VIEW,
    c_shout:
      "create or replace function shout(text) returns text language sql as $$ select upper($1) $$;",
  });
  const { code, report, notPassed } = await here.verify();
  expect(notPassed).toEqual([]);
  expect(code).toBe(0);
  expect(report.checks.find(({ name }) => name === "repeatables")).toMatchObject({
    status: "passed",
    detail: "3 repeatables",
  });
});

test("verify finds one that fails, one that cannot be parsed, and one that the sum does not know", {
  timeout: 120_000,
}, async () => {
  const here = await withRepeatables({ named: VIEW });
  await here.write("drizzle/repeatable/named.sql", VIEW.replace("users", "nobody"));
  const failing = await here.verify();
  expect(failing.code).toBe(4);
  expect(failing.notPassed).toContain("sum failed");
  expect(failing.notPassed).toContain("repeatables failed");
  expect(failing.found("repeatables").join()).toContain('relation "nobody" does not exist');
  await here.write("drizzle/repeatable/named.sql", "create view named as selec 1;");
  expect((await here.verify()).found("sql").join()).toContain("syntax error");
});

test("generate and down-file keep them in tidemark.sum", { timeout: 120_000 }, async () => {
  const here = await withRepeatables({ named: VIEW });
  await here.schema(
    USERS.replace("age: integer()", "age: integer(), email: text().unique(), more: text()"),
  );
  const { code, stderr } = await here.run(["generate", "more"]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(await here.read("tidemark.sum")).toContain("repeatable/named.sql sha256:");
  await rm(join(here.root, "drizzle", "repeatable"), { recursive: true });
  const { found } = await here.verify();
  expect(found("sum").join()).toContain("repeatable/named.sql is listed but does not exist");
});
