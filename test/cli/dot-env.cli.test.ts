import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { useProject } from "../helpers/project-fixture.ts";

const here = useProject();
const dotEnv = () => join(here.project.root, ".env");

test("a .env that an editor has given a byte order mark is read whole", async () => {
  await writeFile(dotEnv(), `\uFEFFDATABASE_URL=${here.database.url}\n`);
  const end = await here.project.run(["status"], {});
  expect(end).toMatchObject({ code: 0, stdout: expect.stringContaining("3 pending") });
});

test("the environment wins over .env", async () => {
  await writeFile(dotEnv(), "DATABASE_URL=postgres://nobody@127.0.0.1:1/nowhere\n");
  expect(await here.tidemark("status")).toContain("3 pending");
});

describe("what is no file in its place is an error, at once:", () => {
  test("a folder, as Docker makes one of a mount that is not there", async () => {
    await mkdir(dotEnv());
    expect(await here.tidemark("status")).toMatch(/^exit code 2\n.*\.env is a folder, not a file/s);
  });

  test("a pipe", async () => {
    await promisify(execFile)("mkfifo", [dotEnv()]);
    expect(await here.tidemark("status")).toMatch(
      /^exit code 2\n.*\.env is a pipe or a device, not a file/s,
    );
  });
});
