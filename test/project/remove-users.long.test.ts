import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const run = promisify(execFile);

/** The checkout with its changes, committed in a repository of its own. */
async function checkout(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "tidemark-no-users-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const { stdout } = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    maxBuffer: 64 << 20,
  });
  for (const file of stdout.split("\n").filter(Boolean)) {
    await cp(file, join(dir, file), { verbatimSymlinks: true }).catch(
      (error: { code?: string }) => {
        // Deleted, and not yet committed.
        if (error.code !== "ENOENT") throw error;
      },
    );
  }
  await cp("node_modules", join(dir, "node_modules"), { recursive: true, verbatimSymlinks: true });
  await symlink(
    join(process.cwd(), "test/drizzle-1/node_modules"),
    join(dir, "test/drizzle-1/node_modules"),
  );
  const git = (...args: readonly string[]) => run("git", args, { cwd: dir, maxBuffer: 64 << 20 });
  await git("init", "-q");
  await git("add", "-A");
  await git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "start");
  return dir;
}

test("npm run users:remove leaves a project that is checked, tested and migrated without them", {
  timeout: 300_000,
}, async () => {
  const cwd = await checkout();
  const npm = (...args: readonly string[]) =>
    run("npm", args, { cwd, maxBuffer: 64 << 20 }).catch(
      (error: { stdout: string; stderr: string }) => {
        throw new Error(`npm ${args.join(" ")}: ${error.stdout}${error.stderr}`);
      },
    );
  await npm("run", "users:remove");
  expect(await readdir(join(cwd, "src"))).not.toContain("users");
  expect(await readFile(join(cwd, "drizzle/0004_drop_users.sql"), "utf8")).toContain("users");
  expect(await readFile(join(cwd, "package.json"), "utf8")).not.toMatch(/argon2|seed/);
  await npm("run", "check");
  await npm(
    "test",
    "--",
    "test/app",
    "test/project",
    "test/schema",
    "test/pool/database",
    "test/ledger/event-copy",
    "test/projections/runner",
  );
  const again = run("npm", ["run", "users:remove"], { cwd });
  await expect(again).rejects.toMatchObject({ stderr: expect.stringContaining("Missing script") });
});

test("it refuses while there are changes that git could not take back", async () => {
  const cwd = await checkout();
  await rm(join(cwd, "README.md"));
  const refused = run("npm", ["run", "users:remove"], { cwd });
  await expect(refused).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining("There are changes that are not committed:\n D README.md\n"),
  });
  expect(await readdir(join(cwd, "src"))).toContain("users");
});
