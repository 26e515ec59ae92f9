import { spawn } from "node:child_process";
import { openSync } from "node:fs";
import { join } from "node:path";
import { expect, inject, test } from "vitest";
import { useDatabase } from "../helpers/database.ts";
import { countingHistory, useHistory } from "../helpers/history.ts";

const COUNT = 12;

const database = useDatabase();
const folder = useHistory(countingHistory(COUNT));

/** Runs a command of the shell in which `tidemark` is the compiled one; its exit code. */
function shell(command: string): Promise<number | null> {
  const cli = `"${process.execPath}" "${join(inject("build"), "cli/main.js")}"`;
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn("bash", ["-c", `tidemark() { ${cli} "$@"; }; ${command}`], {
    cwd: folder.dir,
    env: { PATH, HOME, DATABASE_URL: database.url },
    stdio: ["ignore", openSync("/dev/null", "w"), openSync("/dev/null", "w")],
  });
  return new Promise((resolve) => child.on("close", resolve));
}

async function expectAllApplied(): Promise<void> {
  expect(
    await database.sql`select count(*)::int as n from tidemark.schema_migrations where state = 'DONE'`,
  ).toEqual([{ n: COUNT }]);
}

test.each([
  [
    "a reader of both that goes away",
    "set -o pipefail; tidemark migrate --dir . 2>&1 | head -1",
    0,
  ],
  ["a reader of stderr that goes away", "tidemark migrate --dir . 2> >(head -c 1)", 0],
  ["a closed stderr", "tidemark migrate --dir . 2>&-", 0],
  ["a full disk behind stderr", "tidemark migrate --dir . 2>/dev/full", 0],
  ["a full disk behind stdout, which has the results", "tidemark migrate --dir . >/dev/full", 1],
])("%s does not end a run; the exit code tells", async (_name, command, expected) => {
  expect(await shell(command)).toBe(expected);
  await expectAllApplied();
});

test("a failed migration's exit code is its own, whatever became of its message", async () => {
  await folder.write("0011_tick", "select broken");
  expect(await shell("tidemark migrate --dir . 2>/dev/full")).toBe(1);
  expect(await shell("tidemark status --check --dir . >/dev/full 2>&1")).toBe(3);
});
