import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, inject, test } from "vitest";
import { useDatabase } from "../helpers/database.ts";
import { THREE } from "../helpers/history.ts";
import { createKitProject } from "../helpers/kit-project.ts";
import { createProject } from "../helpers/project.ts";
import { CERTIFICATES, tlsProxy } from "../helpers/tls-proxy.ts";

const database = useDatabase();

test("a connection under Bun is encrypted and checked as sslmode says", async () => {
  const proxy = await tlsProxy(inject("serverUrl"));
  const project = await createProject(THREE);
  const { PATH = "", HOME = "", BUN = "bun" } = process.env;
  const migrate = (host: string, query: string) => {
    const url = new URL(database.url);
    url.host = `${host}:${proxy.port}`;
    const args = ["--bun", join(inject("build"), "cli/main.js"), "migrate", "--url"];
    return promisify(execFile)(BUN, [...args, `${url.href}?${query}`], {
      cwd: project.root,
      env: { PATH, HOME },
    }).then(
      ({ stdout }) => stdout,
      ({ stderr }) => String(stderr),
    );
  };
  const ca = `sslrootcert=${resolve(CERTIFICATES.authority)}`;
  try {
    expect(await migrate("127.0.0.1", "sslmode=verify-full")).toContain("Name the authority");
    expect(await migrate("localhost", `sslmode=verify-full&${ca}`)).toContain("Connect by a name");
    expect(await migrate("127.0.0.1", `sslmode=verify-full&${ca}`)).toContain("Applied 3");
    expect(await migrate("localhost", `sslmode=verify-ca&${ca}`)).toContain("Nothing pending");
    expect(await migrate("127.0.0.1", "sslmode=require")).toContain("Nothing pending");
    expect(proxy.plain()).toBe(0);
  } finally {
    await project.remove();
    await proxy.close();
  }
});

test("every command runs under Bun", { timeout: 300_000 }, async () => {
  const project = await createKitProject(
    `export const notes = pgTable("notes", { id: integer() });`,
  );
  /** With Bun for Node.js in what the command starts, too. */
  const tidemark = async (...args: string[]) => {
    const { PATH = "", HOME = "", BUN = "bun" } = process.env;
    const main = join(inject("build"), "cli/main.js");
    return promisify(execFile)(BUN, ["--bun", main, ...args], {
      cwd: project.root,
      env: { PATH, HOME, DATABASE_URL: database.url },
    }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      ({ code, stdout, stderr }) => ({ code, stdout: `${stdout}${stderr}` }),
    );
  };
  const ok = (text: string) => ({ code: 0, stdout: expect.stringContaining(text) });
  try {
    expect(await tidemark("generate", "first")).toEqual(ok("Generated drizzle/0000_first.sql"));
    await project.schema(
      `export const notes = pgTable("notes", { number: integer(), body: text() });`,
    );
    expect(await tidemark("generate", "second")).toMatchObject({
      code: 2,
      stdout: expect.stringContaining("--rename notes.id=number"),
    });
    expect(await tidemark("generate", "second", "--rename", "notes.id=number")).toEqual(
      ok("proven"),
    );
    expect(await tidemark("generate")).toEqual(ok("Nothing to generate"));
    expect(await tidemark("sum")).toEqual(ok("2 migrations"));
    expect(await tidemark("down-file", "0001_second")).toEqual(ok("0001_second"));
    expect(await tidemark("verify")).toEqual(ok("Verified: "));
    expect(await tidemark("migrate", "--dry-run")).toEqual(ok("2 pending"));
    expect(await tidemark("migrate")).toEqual(ok("Applied 2 migrations"));
    expect(await tidemark("status", "--check")).toEqual(ok("0 pending"));
    expect(await tidemark("events")).toEqual(ok("0001_second"));
    expect(await tidemark("wait")).toEqual(ok("0001_second"));
    expect(await tidemark("repair")).toEqual(ok("Nothing to repair"));
    expect(await tidemark("drift")).toEqual(ok("No drift"));
    expect(await tidemark("completion", "zsh")).toEqual(ok("tidemark"));
  } finally {
    await project.remove();
  }
});
