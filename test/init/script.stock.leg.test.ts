import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { commandsOn, environmentOf, unprepared } from "../helpers/prepared-database.ts";

test("what --print prints runs in psql, twice, and prepares the database as init does", async () => {
  const prepared = unprepared();
  const { stdout: script } = await commandsOn(environmentOf(prepared))("init", "--print");
  const psql = async () => {
    const passwords = ["owner", "app"].flatMap((name) => [
      "-v",
      `${name}_password=${prepared[name as "owner" | "app"].password}`,
    ]);
    const running = promisify(execFile)(process.env.PSQL ?? "psql", [
      "-Xq",
      ...passwords,
      "-d",
      prepared.adminUrl,
    ]);
    running.child.stdin?.end(script);
    return running;
  };
  expect((await psql()).stderr).toBe("");
  await new DatabaseMigrator({ url: prepared.migrationUrl, dir: "drizzle" }).migrate();
  expect(await psql()).toMatchObject({ stderr: "", stdout: "" });
  expect(await prepared.init()).toMatchObject({ outcome: "there", notes: [] });
  const app = prepared.as(prepared.appUrl);
  expect(await app`select count(*)::int as n from eventstore.snapshots`).toEqual([{ n: 0 }]);
  await expect(app`delete from tidemark.schema_migrations`).rejects.toMatchObject({
    code: "42501",
  });
});
