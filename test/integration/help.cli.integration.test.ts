import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { tidemark } from "../helpers/cli.ts";

const cwd = tmpdir();
const commands = createProgram(() => undefined).commands.map((command) => command.name());

describe("--help", () => {
  test("names every command, and the exit codes", async () => {
    const { code, stdout } = await tidemark(["--help"], { cwd });
    for (const name of commands) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, "m"));
    expect(stdout).toContain("Exit codes: 0 fine;");
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

  // What a shell's script asks at each press of the key.
  test.each([
    [["mig"], ["migrate"]],
    [
      ["migrate", "--lock"],
      ["--lock-timeout", "--lock-tries", "--lock-budget"],
    ],
    [["status", "--che"], ["--check"]],
    [["re"], ["repair", "resolve"]],
  ])("answers %j", async (typed, expected) => {
    const { stdout } = await tidemark(["complete", "--", ...typed], { cwd });
    const offered = stdout
      .split("\n")
      .filter((line) => line.includes("\t"))
      .map((line) => line.split("\t")[0]);
    expect(offered).toEqual(expected);
  });
});
