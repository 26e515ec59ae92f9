import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { resolveUrl, urlWarnings } from "../../src/db/connection/driver-options.ts";
import { readJournaled } from "../../src/db/kit/folder-0x.ts";
import { readFolders } from "../../src/db/kit/folder-1x.ts";
import { loadHistory } from "../../src/db/migrate/history/load.ts";
import { journalOf } from "../helpers/history.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tidemark-endless-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const pipe = (file: string) => {
  mkdirSync(dirname(join(dir, file)), { recursive: true });
  execFileSync("mkfifo", [join(dir, file)]);
};
const device = (file: string) => {
  mkdirSync(dirname(join(dir, file)), { recursive: true });
  symlinkSync("/dev/zero", join(dir, file));
};
function write(file: string, text: string): void {
  mkdirSync(dirname(join(dir, file)), { recursive: true });
  writeFileSync(join(dir, file), text);
}

const FACT = "is neither a file nor a folder: a pipe, a socket or a device.";

describe("what has no end is refused, and not read for ever", () => {
  test.each([
    ["meta/_journal.json", pipe],
    ["meta/_journal.json", device],
    ["0000_a.sql", pipe],
    ["0000_a.ts", device],
    ["repeatable/views.sql", pipe],
    ["repeatable/views.sql", device],
    ["tidemark.sum", pipe],
  ])("as %s of a folder of 0.x", async (file, make) => {
    if (file !== "meta/_journal.json") write("meta/_journal.json", journalOf(["0000_a"]));
    if (file !== "0000_a.sql") write("0000_a.sql", "select 1;");
    make(file);
    await expect(loadHistory(dir)).rejects.toMatchObject({
      code: "history_invalid",
      fact: `${join(dir, file)} ${FACT}`,
    });
  });

  test.each([
    ["migration.sql", pipe],
    ["migration.sql", device],
    ["step.ts", pipe],
  ])("as %s of a folder of 1.x", async (name, make) => {
    const folder = "20240101000000_a";
    if (name !== "migration.sql") write(`${folder}/migration.sql`, "select 1;");
    make(`${folder}/${name}`);
    await expect(loadHistory(dir)).rejects.toMatchObject({
      code: "history_invalid",
      fact: `${join(dir, folder, name)} ${FACT}`,
    });
  });

  test("as a snapshot of either layout", async () => {
    write("old/meta/_journal.json", journalOf(["0000_a"]));
    write("old/0000_a.sql", "select 1;");
    pipe("old/meta/0000_snapshot.json");
    const old = { layout: "0.x", dir: "drizzle", path: join(dir, "old") } as const;
    await expect(readJournaled(old, old.path, "check")).rejects.toMatchObject({
      code: "history_invalid",
      fact: `${join(dir, "old/meta/0000_snapshot.json")} ${FACT}`,
    });
    write("new/20240101000000_a/migration.sql", "select 1;");
    device("new/20240101000000_a/snapshot.json");
    const made = { layout: "1.x", dir: "drizzle", path: join(dir, "new") } as const;
    await expect(readFolders(made, made.path, "check")).rejects.toMatchObject({
      code: "history_invalid",
      fact: `${join(dir, "new/20240101000000_a/snapshot.json")} ${FACT}`,
    });
  });

  test("as a password file or a certificate", () => {
    pipe("pass");
    const env = { PGPASSFILE: join(dir, "pass") };
    expect(urlWarnings("postgres://u@h/db", env)).toMatchObject([
      {
        message: `The connection has no password: the password file ${join(dir, "pass")} is not read, because it is no plain file.`,
      },
    ]);
    expect(() => resolveUrl(`postgres://h/db?sslrootcert=${join(dir, "pass")}`)).toThrow(
      `sslrootcert cannot be read: ${join(dir, "pass")} ${FACT}`,
    );
  });
});
