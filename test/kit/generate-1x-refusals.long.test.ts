import { cp, mkdir, rm, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { startTidemark } from "../helpers/cli.ts";
import { createKitProject, type KitProject } from "../helpers/kit-project.ts";
import { timeless } from "../helpers/project-1x.ts";

const USERS = `export const users = pgTable("users", { id: serial().primaryKey(), name: text() });\n`;
const FIRST = "20250101000000_first";
const NONE = "00000000-0000-0000-0000-000000000000";

async function project(body?: string, config?: object): Promise<KitProject> {
  const made = await createKitProject(body, config, { kit: "1.x" });
  onTestFinished(made.remove);
  return made;
}

/** Runs it; the message that it fails with, where it has written nothing. */
async function refusal(here: KitProject, ...args: readonly string[]): Promise<string> {
  const before = await here.files();
  const { code, stdout, stderr } = await here.run(["generate", ...args]);
  expect(await here.files()).toEqual(before);
  expect(stdout).toBe("");
  expect(code).toBe(2);
  expect(stderr).toContain("Nothing was written.");
  expect(stderr).not.toContain("tidemark-kit-");
  return timeless(stderr.replaceAll(here.root, "<project>"));
}

describe("tidemark generate with drizzle-kit 1.x refuses", () => {
  test.each([
    [
      "another dialect",
      { dialect: "sqlite", schema: "./schema.ts" },
      "The drizzle configuration has the dialect sqlite.",
    ],
    ["no dialect, with what drizzle-kit says", { schema: "./schema.ts" }, "dialect"],
    [
      "a schema file that is not there, with what drizzle-kit says",
      { dialect: "postgresql", schema: "./nowhere.ts" },
      "No schema files found for path config ['./nowhere.ts']",
    ],
  ])("%s", async (_name, config, text) => {
    const stderr = await refusal(await project(USERS, config));
    expect(stderr).toContain("error (config)");
    expect(stderr).toContain(text);
  });

  test("a schema file that throws", async () => {
    const here = await project(`${USERS}throw new Error("no such luck");`);
    expect(await refusal(here)).toBe(
      "error (config) drizzle-kit generate failed:\nno such luck\nNothing was written. The migrations folder is as it was.\n",
    );
  });

  test("a schema that defines a name twice, of which drizzle-kit's function says nothing", async () => {
    const here = await project(`${USERS}export const others = pgTable("users", { x: text() });`);
    expect(await refusal(here)).toContain(`duplicate table name "users"`);
  });

  test("SQL of drizzle-kit that no run would take", async () => {
    const here = await project(
      `export const t = pgTable("t", { id: integer().default(sql\`)\`) });`,
    );
    expect(await refusal(here, "broken")).toContain(
      "error (history_invalid) drizzle-kit has written SQL that cannot be run: drizzle/<time>_broken/migration.sql:2:",
    );
  });

  test("a drizzle-orm that does not belong to it", async () => {
    const here = await project(USERS);
    const modules = join(here.root, "node_modules");
    await rm(modules);
    await mkdir(modules);
    const kit = resolve("test/drizzle-1/node_modules/drizzle-kit");
    await cp(kit, join(modules, "drizzle-kit"), { recursive: true });
    await symlink(resolve("node_modules/drizzle-orm"), join(modules, "drizzle-orm"));
    const stderr = await refusal(here);
    expect(stderr).toContain("error (config) drizzle-kit 1.0.0-rc.5 cannot be loaded: ");
    expect(stderr).toContain("npm install drizzle-orm@1.0.0-rc.5.");
  });

  /** A folder with one migration, and its snapshot. */
  const withSnapshot = async (text: string) => {
    const here = await project(USERS);
    await here.write(`drizzle/${FIRST}/migration.sql`, "select 1;");
    await here.write(`drizzle/${FIRST}/snapshot.json`, text);
    return here;
  };
  const head = { version: "9", dialect: "postgres" };

  test("a snapshot with a merge's marks", async () => {
    expect(await refusal(await withSnapshot("<<<<<<< HEAD"))).toContain(
      "error (history_invalid) drizzle/<time>_first/snapshot.json is no snapshot: it is not JSON.",
    );
  });

  test("a snapshot that follows one that is gone, with what drizzle-kit says", async () => {
    const lost = { ...head, type: "diff", id: "b", prevIds: ["a"], footprints: [], deltas: [] };
    const stderr = await refusal(await withSnapshot(JSON.stringify(lost)));
    expect(stderr).toContain("error (history_invalid) drizzle-kit cannot continue");
    expect(stderr).toContain("delete no migration that any database has");
  });

  test("a history without any snapshot, and a snapshot without a migration", async () => {
    const base = { ...head, type: "base", id: "a", prevIds: [NONE], footprints: [], ddl: [] };
    const here = await withSnapshot(JSON.stringify(base));
    await here.write("drizzle/20250102000000_stray/snapshot.json", JSON.stringify(base));
    expect(await refusal(here)).toContain(
      "error (history_invalid) drizzle/<time>_stray/snapshot.json: there is no migration.sql beside it",
    );
    await here.delete("drizzle/20250102000000_stray/snapshot.json");
    await here.delete(`drizzle/${FIRST}/snapshot.json`);
    expect(await refusal(here)).toContain(
      "error (missing_file) drizzle has no snapshot at all, though it has the migration <time>_first",
    );
  });
});

describe("an interrupted generate with drizzle-kit 1.x", () => {
  test("leaves the folder as it was where drizzle-kit is killed", async () => {
    const here = await project(`process.kill(process.pid, "SIGKILL");`);
    expect(await refusal(here)).toContain("was ended by SIGKILL");
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("leaves it as it was at %s, and drizzle-kit ends too", async (signal, exitCode) => {
    const here = await project(
      `require("node:fs").writeFileSync("pid.tmp", String(process.pid));
       require("node:fs").renameSync("pid.tmp", "pid");
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`,
    );
    const running = startTidemark(["generate", "--no-down"], { cwd: here.root });
    await expect.poll(() => here.readAt("pid"), { timeout: 20_000, interval: 20 }).not.toBe("");
    const pid = Number(await here.readAt("pid"));
    running.child.kill(signal);
    const { code, stderr } = await running.end;
    expect(stderr).toBe(
      "error (canceled) Canceled.\nNothing was written. The migrations folder is as it was.\n",
    );
    expect(code).toBe(exitCode);
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    expect(await here.files()).toEqual({});
  });
});
