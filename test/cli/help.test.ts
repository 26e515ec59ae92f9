import { execFile } from "node:child_process";
import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { tidemark } from "../helpers/cli.ts";

const run = promisify(execFile);
const cwd = tmpdir();
const commands = createProgram(() => undefined).commands.map((command) => command.name());

describe("--help", () => {
  test("names every command, and the exit codes", async () => {
    const { code, stdout } = await tidemark(["--help"], { cwd });
    for (const name of commands) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, "m"));
    expect(stdout).toContain("Exit codes: 0 success;");
    expect(code).toBe(0);
  });

  test.each(commands)("of %s shows how it is called", async (name) => {
    const { code, stdout } = await tidemark([name, "--help"], { cwd });
    expect(stdout).toContain(`Usage: tidemark ${name}`);
    expect(stdout).toMatch(new RegExp(`Examples:\n  \\$ .*tidemark ${name}`));
    expect(code).toBe(0);
  });
});

describe("shell completion", () => {
  test.each(["bash", "zsh", "fish", "powershell"])("prints a script for %s", async (shell) => {
    const { code, stdout } = await tidemark(["completion", shell], { cwd });
    expect(stdout).toContain("tidemark");
    expect(stdout).toContain("complete");
    expect(code).toBe(0);
  });

  test("refuses a shell that it does not know, and none", async () => {
    expect((await tidemark(["completion", "cobol"], { cwd })).code).toBe(2);
    expect((await tidemark(["completion"], { cwd })).code).toBe(2);
  });

  // As a shell runs it that has no other completion.
  test("works in bash, sourced twice, and evaluates nothing that is typed", async () => {
    const dir = await mkdtemp(join(tmpdir(), "tidemark-completion-"));
    onTestFinished(() => rm(dir, { recursive: true }));
    const main = join(inject("build"), "cli/main.js");
    const command = join(dir, "tidemark");
    await writeFile(command, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
    await chmod(command, 0o755);
    const offers = {
      "tidemark stat": "status",
      "tidemark re": "repair resolve rebase",
      "tidemark status --che": "--check",
      "tidemark migrate --url postgres://u:pw@h:5432/db --lock-t": "--lock-timeout --lock-tries",
      "tidemark resolve --done --url=$(touch evaluated) --re": "--retry",
      "tidemark nothing": "",
    };
    const script = `
      source <(tidemark completion bash); source <(tidemark completion bash)
      registered=$(complete -p tidemark)
      pattern='-F ([^ ]+)'; [[ "$registered" =~ $pattern ]]
      for COMP_LINE in "$@"; do
        COMP_POINT=\${#COMP_LINE}; read -ra COMP_WORDS <<< "$COMP_LINE"
        COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
        "\${BASH_REMATCH[1]}"
        echo "\${COMPREPLY[*]}"
      done`;
    const { stdout, stderr } = await run(
      "bash",
      ["--norc", "-c", script, "bash", ...Object.keys(offers)],
      { cwd: dir, env: { PATH: `${dir}:${process.env.PATH}`, HOME: dir } },
    );
    expect(stderr).toBe("");
    expect(stdout.split("\n").slice(0, -1)).toEqual(Object.values(offers));
    expect(await readdir(dir)).toEqual(["tidemark"]);
  });

  // What a shell's script asks at each press of the key.
  test.each([
    [["mig"], ["migrate"]],
    [
      ["migrate", "--lock"],
      ["--lock-timeout", "--lock-tries", "--lock-budget"],
    ],
    [["status", "--che"], ["--check"]],
    [["re"], ["repair", "resolve", "rebase"]],
  ])("answers %j", async (typed, expected) => {
    const { stdout } = await tidemark(["complete", "--", ...typed], { cwd });
    const offered = stdout
      .split("\n")
      .filter((line) => line.includes("\t"))
      .map((line) => line.split("\t")[0]);
    expect(offered).toEqual(expected);
  });
});
