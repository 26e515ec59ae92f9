import { chmod, cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { matches, normalize, parseSession, type } from "../helpers/console-session.ts";
import { createDatabase } from "../helpers/database.ts";
import { installPackage } from "../helpers/package-user.ts";

test("the session in the README prints what it says, typed into a shell line by line", {
  timeout: 120_000,
}, async () => {
  const readme = await readFile("README.md", "utf8");
  const block = /^```console\n(.*?)^```$/ms.exec(readme)?.[1] ?? "";
  const steps = parseSession(block);
  expect(steps.length).toBeGreaterThan(10);

  const project = await installPackage();
  onTestFinished(project.remove);
  const database = await createDatabase();
  onTestFinished(database.drop);
  for (const name of ["drizzle", "drizzle.config.ts", "src/db/schema"]) {
    await cp(name, join(project.dir, name), { recursive: true });
  }
  await writeFile(join(project.dir, "package.json"), `{ "type": "module" }`);
  const bin = join(project.dir, "bin");
  await mkdir(bin);
  const command = join(project.dir, "node_modules/tidemark/dist/cli/main.js");
  await chmod(command, 0o755);
  await symlink(command, join(bin, "tidemark"));
  // The file says `env node`: the one that runs this.
  await symlink(process.execPath, join(bin, "node"));

  const { PATH = "", HOME = "" } = process.env;
  const env = { PATH: bin + delimiter + PATH, HOME, DATABASE_URL: database.url };
  for (const step of steps) {
    const screen = await type(step.command, { cwd: resolve(project.dir), env });
    if (matches(step.expected, screen)) continue;
    // To be shown as a difference.
    expect(`$ ${step.command}\n${normalize(screen)}`).toBe(
      `$ ${step.command}\n${normalize(step.expected.join("\n"))}`,
    );
  }
});
