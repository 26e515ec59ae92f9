import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fakeDocker, PULL_FAILS } from "../helpers/fake-docker.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-legs-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Runs a leg; throws where it fails. */
async function leg(
  name: string,
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<string> {
  const { stdout } = await promisify(execFile)(`scripts/leg-${name}.sh`, args, {
    env: { ...process.env, ...env },
  });
  return stdout;
}

test.each([
  ["testcontainers", "TEST_PG_IMAGE"],
  ["image", "NODE_IMAGE"],
])("the leg %s says NOT RUN, and why, without an engine or an image", async (name, variable) => {
  const none = await fakeDocker(join(folder, "none"), "exit 1");
  expect(await leg(name, { PATH: `${none.path}:${process.env.PATH}` })).toBe(
    "NOT RUN: no Docker engine answers\n",
  );
  const empty = await fakeDocker(join(folder, "empty"), PULL_FAILS);
  const env = { PATH: `${empty.path}:${process.env.PATH}`, [variable]: "nothing:0" };
  expect(await leg(name, env)).toMatch(
    /^NOT RUN: the image nothing:0 is not here and cannot be pulled: .*manifest unknown\n$/,
  );
});

test("the leg browser says NOT RUN, and why, without Chromium", async () => {
  const CHROMIUM = join(folder, "chromium");
  expect(await leg("browser", { CHROMIUM })).toBe(
    `NOT RUN: no Chromium at ${CHROMIUM} (set CHROMIUM)\n`,
  );
});

test("the leg pgbouncer says NOT RUN, and why, without a PgBouncer", async () => {
  const PGBOUNCER = join(folder, "pgbouncer");
  expect(await leg("pgbouncer", { PGBOUNCER })).toBe(
    `NOT RUN: no PgBouncer at ${PGBOUNCER} (set PGBOUNCER), and it cannot be installed\n`,
  );
});

test("the leg disk-full says NOT RUN, and why, where nothing can be mounted", async () => {
  const mount = join(folder, "mount");
  await writeFile(mount, "#!/bin/sh\necho 'must be superuser' >&2\nexit 1\n", { mode: 0o755 });
  expect(await leg("disk-full", { PATH: `${folder}:${process.env.PATH}` })).toBe(
    "NOT RUN: no tmpfs can be mounted: must be superuser\n",
  );
});

test("the leg git says NOT RUN, and why, without git", async () => {
  const GIT = join(folder, "git");
  expect(await leg("git", { GIT })).toBe(`NOT RUN: no git (${GIT})\n`);
});

test("the leg bun says NOT RUN, and why, without Bun", async () => {
  const BUN = join(folder, "bun");
  expect(await leg("bun", { BUN })).toBe(
    `NOT RUN: no Bun (${BUN}): npm install --global bun, or set BUN\n`,
  );
});

test("the leg package says NOT RUN, and why, without npm's registry", async () => {
  // A port that nobody listens on.
  const npm_config_registry = "http://127.0.0.1:1";
  expect(await leg("package", { npm_config_registry })).toMatch(
    /^NOT RUN: npm's registry does not answer: .*ECONNREFUSED.*\n$/,
  );
});

test("the leg versions says NOT RUN, and why, for a server that npm does not have", async () => {
  expect(await leg("versions", {}, ["13"])).toBe(
    "NOT RUN: PostgreSQL 13 is none of 14, 15, 16, 17 and 18\n",
  );
});

test("a server or Node.js that cannot be fetched is told, and leaves nothing behind", async () => {
  const env = { ...process.env, npm_config_registry: "http://127.0.0.1:1" };
  for (const [what, version, name] of [
    ["postgres", "14", "PostgreSQL 14"],
    ["node", "22", "Node.js 22.23.3"],
  ] as const) {
    const args = [version, join(folder, what)];
    const error = await promisify(execFile)(`scripts/fetch-${what}.sh`, args, {
      env: { ...env, npm_config_cache: join(folder, "cache"), npm_config_fetch_retries: "0" },
    }).then(
      () => undefined,
      (reason: { code: number; stdout: string }) => reason,
    );
    expect(error).toMatchObject({ code: 1, stdout: `npm cannot install ${name}\n` });
  }
  expect((await readdir(folder)).filter((name) => name !== "cache")).toEqual([]);
});

test("the gate runs each leg", async () => {
  const gate = await readFile(".ci/run", "utf8");
  for (const name of [
    "browser",
    "testcontainers",
    "pgbouncer",
    "disk-full",
    "hostile",
    "git",
    "bun",
    "package",
    "image",
    "stock",
    "versions",
  ]) {
    expect(gate).toMatch(
      new RegExp(
        `^ *([A-Z_]+=\\S+ )*scripts/leg-${name}\\.sh( --shard="[^"]+"| "\\$[a-z]+")*$`,
        "m",
      ),
    );
  }
});
