import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startTidemark } from "../helpers/cli.ts";
import { createKitProject, type KitProject } from "../helpers/kit-project.ts";
import { screen } from "../helpers/screen.ts";

const USERS = `export const users = pgTable("users", { id: serial().primaryKey(), name: text() });\n`;
const ORGS = `export const orgs = pgTable("orgs", { id: serial().primaryKey() });\n`;

async function project(...args: Parameters<typeof createKitProject>): Promise<KitProject> {
  const made = await createKitProject(...args);
  onTestFinished(made.remove);
  return made;
}

const shown = async ({ root, run }: KitProject, ...args: readonly string[]) =>
  screen(await run(["generate", ...args]), { project: root }).replace(
    /sha256:[0-9a-f]{64}/g,
    "<sum>",
  );

describe("an interrupted generate", () => {
  let first: KitProject;
  beforeAll(async () => {
    first = await createKitProject(USERS);
    await first.run(["generate", "users"]);
  });
  afterAll(() => first.remove());

  const afterFirst = async (body: string) => {
    const here = await project();
    await here.continueFrom(first);
    await here.schema(`${USERS}${ORGS}${body}`);
    return { here, before: await here.files() };
  };

  test("leaves the folder as it was where drizzle-kit is killed", async () => {
    const { here, before } = await afterFirst(`process.kill(process.pid, "SIGKILL");`);
    expect(await shown(here)).toMatchInlineSnapshot(`
      "exit code 2
      --- stderr
      error (config) drizzle-kit generate was ended by SIGKILL, without output.
      Nothing was written. The migrations folder is as it was.
      "
    `);
    expect(await here.files()).toEqual(before);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("leaves it as it was at %s, and drizzle-kit ends too", async (signal, exitCode) => {
    const { here, before } = await afterFirst(
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
    expect(await here.files()).toEqual(before);
  });

  test("that was killed while it kept is explained by the next: files without an entry", async () => {
    const { here, before } = await afterFirst("");
    await here.write("drizzle/0001_orgs.sql", "create table");
    const occupied = await here.run(["generate", "orgs"]);
    expect(occupied.stderr).toContain("drizzle/0001_orgs.sql already exists with another text");
    expect(occupied.code).toBe(2);
    await here.write("drizzle/meta/0001_snapshot.json", before["meta/0000_snapshot.json"] ?? "");
    const orphan = await here.run(["generate", "orgs"]);
    expect(orphan.stderr).toContain(
      "drizzle has snapshots that belong to no migration: meta/0001_snapshot.json.",
    );
    expect(orphan.code).toBe(2);
    await here.delete("drizzle/0001_orgs.sql");
    await here.delete("drizzle/meta/0001_snapshot.json");
    expect(await here.files()).toEqual(before);
  });

  test("that was killed before the sum is explained by the next", async () => {
    const { here, before } = await afterFirst("");
    await here.run(["generate", "orgs"]);
    await here.write("drizzle/tidemark.sum", before["tidemark.sum"] ?? "");
    const { code, stderr } = await here.run(["generate"]);
    expect(stderr).toContain("0001_orgs.sql is not listed");
    expect(stderr).toContain("`tidemark sum`");
    expect(code).toBe(2);
  });

  test("that was the first and was killed is explained by the next", async () => {
    const here = await project(USERS);
    await here.write("drizzle/meta/0000_snapshot.json", "{}");
    const { code, stderr } = await here.run(["generate"]);
    expect(stderr).toContain("drizzle/meta exists, but drizzle/meta/_journal.json does not.");
    expect(code).toBe(2);
  });
});
