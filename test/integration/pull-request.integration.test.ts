import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { createProgram } from "../../src/cli/program.ts";

const run = promisify(execFile);

interface Step {
  readonly run?: string;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly if?: string;
}

test("the workflow verifies a pull request against its base, which it has fetched", async () => {
  const workflow = parse(await readFile(".github/workflows/verify.yml", "utf8"));
  const steps: readonly Step[] = workflow.jobs.migrations.steps;
  expect(workflow.on).toHaveProperty("pull_request");
  const checkout = steps.find(({ uses }) => uses?.startsWith("actions/checkout@"));
  expect(checkout?.with).toEqual({ "fetch-depth": 0 });
  const { scripts } = JSON.parse(await readFile("package.json", "utf8"));
  const verifying = steps.filter((step) => step.run?.includes("db:verify"));
  expect(verifying.map((step) => step.if)).toEqual([
    "github.event_name == 'pull_request'",
    "github.event_name != 'pull_request'",
  ]);
  const verify = createProgram(() => undefined).commands.find(
    (command) => command.name() === "verify",
  );
  const options = verify?.options.map(({ long }) => long);
  for (const step of verifying) {
    const [command, rest = ""] = (step.run ?? "").split(" -- ");
    expect(scripts).toHaveProperty([command?.split(" ").at(-1) ?? ""]);
    const given = rest.match(/--[a-z-]+/g) ?? [];
    expect(given.length).toBeGreaterThan(0);
    expect(options).toEqual(expect.arrayContaining(given));
  }
  expect(verifying[0]?.run).toMatch(/--base "origin\/\$\{\{ github\.base_ref \}\}"/);
});

test("the hook verifies before each push, against the base where there is one", async () => {
  const root = await mkdtemp(join(tmpdir(), "tidemark-hook-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const git = (...args: readonly string[]) =>
    run("git", ["-c", "user.name=t", "-c", "user.email=t@example.com", ...args], { cwd: root });
  await git("init", "--quiet", "--bare", "remote.git");
  await git("init", "--quiet", "--initial-branch=main", ".");
  const say =
    "node -e \"require('fs').appendFileSync('said', process.argv.slice(1).join(' ') + '\\n')\" --";
  await writeFile(join(root, "package.json"), JSON.stringify({ scripts: { "db:verify": say } }));
  await mkdir(join(root, ".git/hooks"), { recursive: true });
  await symlink(resolve("docs/pre-push"), join(root, ".git/hooks/pre-push"));
  await git("add", "package.json");
  await git("commit", "--quiet", "--message=one");
  await git("remote", "add", "origin", join(root, "remote.git"));
  await git("push", "--quiet", "origin", "main");
  await git("commit", "--quiet", "--allow-empty", "--message=two");
  await git("push", "--quiet", "origin", "main");
  await git("config", "tidemark.base", "HEAD~1");
  await git("push", "--quiet", "origin", "HEAD:refs/heads/other");
  expect(await readFile(join(root, "said"), "utf8")).toBe("\n--base origin/main\n--base HEAD~1\n");

  await writeFile(
    join(root, "package.json"),
    JSON.stringify({ scripts: { "db:verify": "exit 4" } }),
  );
  await expect(git("push", "--quiet", "origin", "HEAD:refs/heads/third")).rejects.toThrow();
});
