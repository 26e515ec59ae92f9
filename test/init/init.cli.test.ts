import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type CliResult, tidemark } from "../helpers/cli.ts";
import { commandsOn, environmentOf, unprepared } from "../helpers/prepared-database.ts";

test("init, migrate, init: the roles are those of the URLs", async () => {
  const prepared = unprepared();
  const { owner, app, database } = prepared;
  const run = commandsOn(environmentOf(prepared));
  const first = await run("init");
  expect(first).toMatchObject({ code: 0, stderr: "" });
  expect(first.stdout).toContain(`made     role ${app.name}\n`);
  expect(first.stdout).toContain(
    `${database} is ready: ${owner.name} migrates, ${app.name} serves. Next: tidemark migrate\n`,
  );
  expect(first.stdout).not.toContain(app.password);
  expect((await run("migrate")).code).toBe(0);
  const again = JSON.parse((await run("init", "--json")).stdout);
  expect(again).toMatchObject({ outcome: "there", deployer: null, notes: [] });
});

describe("init says what is lacking, and makes nothing:", () => {
  const url = "postgres://a:secret@127.0.0.1:1/shop";
  test.each<readonly [string, Readonly<Record<string, string>>, readonly string[], RegExp]>([
    [
      "no URL at all",
      {},
      [],
      /nothing names the role that migrates.*\n?.*the application's role.*\n?.*the database/s,
    ],
    [
      "no admin",
      { MIGRATION_DATABASE_URL: url, DATABASE_URL: url.replace("a:", "b:") },
      [],
      /Nothing names who may make roles/,
    ],
    [
      "two databases",
      { MIGRATION_DATABASE_URL: url, DATABASE_URL: url.replace("shop", "other") },
      [],
      /two databases, shop and other/,
    ],
    ["no URL", { MIGRATION_DATABASE_URL: "mysql://x" }, [], /starts with mysql:\/\//],
    [
      "no server",
      { MIGRATION_DATABASE_URL: url, DATABASE_URL: url.replace("a:", "b:") },
      ["--admin-url", url],
      /could not be reached at 127\.0\.0\.1:1/,
    ],
  ])("%s", async (_, env, args, message) => {
    const folder = await mkdtemp(join(tmpdir(), "tidemark-init-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const { code, stdout, stderr }: CliResult = await tidemark(["init", ...args], {
      cwd: folder,
      env,
    });
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain("secret");
    expect({ code, stdout }).toEqual({ code: args.length > 0 ? 1 : 2, stdout: "" });
  });
});

test("--print names what it is told to, without a server, and no password", async () => {
  const prepared = unprepared();
  const run = commandsOn(environmentOf(prepared));
  const { code, stdout } = await run("init", "--print");
  expect(code).toBe(0);
  expect(stdout).toContain(`create database "${prepared.database}" owner "${prepared.owner.name}"`);
  expect(stdout).not.toContain(prepared.app.password);
  const named = await commandsOn({})(
    "init",
    "--print",
    "--json",
    "--database",
    "shop",
    "--owner",
    "shop_owner",
    "--app-role",
    "shop_app",
  );
  expect(JSON.parse(named.stdout).sql).toContain(`create role "shop_app" login`);
});
