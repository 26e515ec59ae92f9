import { expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { commandFirst } from "../../src/cli/support/argv.ts";

const program = createProgram(() => undefined);

test.each([
  [
    ["status", "--json"],
    ["status", "--json"],
  ],
  [
    ["--json", "status"],
    ["status", "--json"],
  ],
  [
    ["--no-color", "--quiet", "status", "--check"],
    ["status", "--no-color", "--quiet", "--check"],
  ],
  [
    ["--url", "status", "status"],
    ["status", "--url", "status"],
  ],
  [
    ["--url=postgres://h/db?a=b", "migrate"],
    ["migrate", "--url=postgres://h/db?a=b"],
  ],
  [
    ["--json", "resolve", "--", "--json"],
    ["resolve", "--json", "--", "--json"],
  ],
  [["--version"], ["--version"]],
  [
    ["--json", "--version"],
    ["--version", "--json"],
  ],
  [
    ["--json", "--nothing", "status"],
    ["--nothing", "status", "--json"],
  ],
  [["--json"], ["--json"]],
  [["--url"], ["--url"]],
  [[], []],
])("%j is read as %j", (given, expected) => {
  expect(commandFirst(program, given)).toEqual(expected);
});
