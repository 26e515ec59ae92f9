import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import {
  DatabaseMigrator,
  EXIT_CODES,
  errorJson,
  MigrateError,
} from "../../src/db/migrate/index.ts";
import { createDatabase, urlOfDatabase } from "../helpers/database.ts";
import { historyFolder } from "../helpers/history.ts";
import { brokenLinks } from "../helpers/markdown-links.ts";
import { addTypes, installPackage, type PackageUser } from "../helpers/package-user.ts";

const INDEX = "docs/MIGRATION_SYSTEM.md";
const API = "docs/api.md";
const ROLLBACK = "docs/rolling-back.md";
const pages = (await readdir("docs")).filter((name) => name.endsWith(".md"));

interface Example {
  readonly name: string;
  readonly code: string;
  /** What it prints, where it does not apply this project's own migrations. */
  readonly prints?: string;
}

const examples: readonly Example[] = [
  ...(await examplesOf("README.md", "In an application")),
  ...(await examplesOf(API, "In place of drizzle's migrate")),
  ...(await examplesOf(API, "Hooks")),
  ...(await examplesOf(API, "In a program")),
  ...(await examplesOf(API, "A sink for the events")),
  ...(await examplesOf(API, "Migrations from memory", "applied 0001_index_notes\n")),
  ...(await examplesOf(ROLLBACK, "From a program", "taken back: 1\n")),
];

/** The TypeScript blocks of a section. */
async function examplesOf(
  file: string,
  heading: string,
  prints?: string,
): Promise<readonly Example[]> {
  const blocks = [...(await sectionOf(file, heading)).matchAll(/^```ts\n(.*?)^```$/gms)];
  return blocks.map(([, code = ""], i) => ({
    name: `${file}, ${heading}, example ${i + 1}`,
    code,
    ...(prints !== undefined && { prints }),
  }));
}

/** The text below a heading, up to the next one of any level. */
async function sectionOf(file: string, heading: string): Promise<string> {
  const sections = (await readFile(file, "utf8")).split(/^#+ /m);
  const section = sections.find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`${file} has no section “${heading}”`);
  return section;
}

let user: PackageUser;
beforeAll(async () => {
  user = await installPackage();
  await addTypes(user);
  await cp("drizzle", join(user.dir, "drizzle"), { recursive: true });
  await writeFile(join(user.dir, "package.json"), `{ "type": "module" }`);
  for (const [i, { code }] of examples.entries()) {
    await writeFile(join(user.dir, `example-${i}.ts`), `${code}\nexport {};\n`);
  }
});
afterAll(() => user.remove());

describe("an example of the documents", () => {
  test("is there to be run", () => {
    expect(examples.map(({ name }) => name)).toEqual([
      "README.md, In an application, example 1",
      `${API}, In place of drizzle's migrate, example 1`,
      `${API}, Hooks, example 1`,
      `${API}, In a program, example 1`,
      `${API}, In a program, example 2`,
      `${API}, A sink for the events, example 1`,
      `${API}, Migrations from memory, example 1`,
      `${ROLLBACK}, From a program, example 1`,
    ]);
  });

  test("fits the package's types", async () => {
    const options =
      "--ignoreConfig --noEmit --strict --skipLibCheck --module nodenext --target es2023";
    const args = [
      resolve("node_modules/typescript/bin/tsc"),
      ...options.split(" "),
      "--types",
      "node",
      ...examples.map((_example, i) => `example-${i}.ts`),
    ];
    await promisify(execFile)(process.execPath, args, { cwd: user.dir }).catch((error) => {
      throw new Error(error.stdout);
    });
  });

  test.each(examples.map(({ name, prints }, i) => [name, i, prints] as const))(
    "runs as it stands: %s",
    async (_name, i, prints) => {
      const database = await createDatabase();
      try {
        const { PATH = "", HOME = "" } = process.env;
        const args = ["--import", "tsx", `example-${i}.ts`];
        const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
          cwd: user.dir,
          env: { PATH, HOME, DATABASE_URL: database.url },
        });
        expect(stderr).toBe("");
        if (prints !== undefined) {
          expect(stdout).toBe(prints);
          return;
        }
        expect(stdout).not.toBe("");
        const migrator = new DatabaseMigrator({ url: database.url });
        expect((await migrator.status()).pending).toBe(0);
      } finally {
        await database.drop();
      }
    },
  );
});

test("the grants in the documents are what a second role needs to migrate", async () => {
  const section = await sectionOf("docs/deploying.md", "Roles and rights");
  const grants = /^```sql\n(.*?)^```$/ms.exec(section)?.[1] ?? "";
  expect(grants).toContain("deployer");
  const database = await createDatabase();
  const role = `deployer_${database.name}`;
  const folder = await historyFolder({ "0000_first": "select 1" });
  try {
    await new DatabaseMigrator({ url: database.url, dir: folder.dir }).migrate();
    await database.sql.unsafe(`create role ${role} login password 'pw'`);
    await database.sql`revoke execute on all functions in schema tidemark from public`;
    await folder.write("0001_second", "select 2");
    await folder.list(["0000_first", "0001_second"]);
    const url = urlOfDatabase(database.name, { user: role, password: "pw" });
    const deployer = new DatabaseMigrator({ url, dir: folder.dir });
    await expect(deployer.migrate()).rejects.toMatchObject({ code: "config" });
    await database.sql.unsafe(grants.replaceAll("deployer", role));
    expect((await deployer.migrate()).applied.map(({ tag }) => tag)).toEqual(["0001_second"]);
  } finally {
    await database.sql.unsafe(`drop owned by ${role}; drop role ${role}`);
    await folder.remove();
    await database.drop();
  }
});

describe("the guide", () => {
  const commands = createProgram(() => undefined).commands.filter(
    (command) => command.name() !== "completion",
  );

  test.each(commands.map((command) => [command.name(), command] as const))(
    "has a page for `tidemark %s`, which names each of its options, and its JSON",
    async (name, command) => {
      const rows = (await sectionOf(INDEX, "Commands")).split("\n");
      const row = rows.find((line) => line.startsWith(`| \`tidemark ${name}`)) ?? "";
      const page = /\]\(([a-z-]+\.md)/.exec(row)?.[1] ?? "";
      expect(pages).toContain(page);
      const text = await readFile(`docs/${page}`, "utf8");
      const settings = await sectionOf("docs/running.md", "Settings");
      for (const { long } of command.options) {
        expect(text + settings).toMatch(new RegExp(`\`(tidemark [\\w-]+ (<tag> )?)?${long}\\b`));
      }
      expect(await sectionOf("docs/json.md", "JSON")).toContain(`\n| \`${name}`);
    },
  );

  test("names every error code that there is, with its exit code, and what to do about it", async () => {
    const codes = (await sectionOf("docs/troubleshooting.md", "Error codes")).split("\n");
    const advice = await sectionOf("docs/troubleshooting.md", "What to do when you see …");
    for (const [code, exit] of Object.entries(EXIT_CODES)) {
      expect(codes.find((line) => line.startsWith(`| ${exit}`))).toContain(`\`${code}\``);
      expect(advice).toContain(`\n| \`${code}\` |`);
    }
  });

  test("names every field of an error with --json", async () => {
    const section = await sectionOf("docs/json.md", "Errors");
    const error = new MigrateError({ code: "usage", fact: "", remedy: "" });
    for (const field of Object.keys(errorJson(error).error)) {
      expect(section).toContain(`"${field}": `);
      expect(section).toMatch(new RegExp(`^\\| .*\`${field}\``, "m"));
    }
  });

  test("names every call of the migrator", async () => {
    const table = await sectionOf(API, "DatabaseMigrator");
    const calls = Object.getOwnPropertyNames(DatabaseMigrator.prototype);
    for (const call of calls.filter((name) => name !== "constructor")) {
      expect(table).toContain(`| \`${call}(`);
    }
  });

  test("lists each of its pages, and none is longer than 250 lines", async () => {
    const list = await sectionOf(INDEX, "Pages");
    for (const page of pages) {
      if (`docs/${page}` !== INDEX) expect(list).toContain(`](${page})`);
      const lines = (await readFile(`docs/${page}`, "utf8")).split("\n");
      expect(lines.length, page).toBeLessThan(250);
    }
  });
});

describe("a link between documents", () => {
  test("leads to a file, and to a heading in it", async () => {
    const files = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    const all = [...files, ...pages.map((page) => `docs/${page}`)];
    expect((await Promise.all(all.map(brokenLinks))).flat()).toEqual([]);
  });

  test("is found where it leads nowhere", async () => {
    const dir = await mkdtemp(join(tmpdir(), "links-"));
    onTestFinished(() => rm(dir, { recursive: true }));
    const file = join(dir, "a.md");
    await writeFile(join(dir, "b.md"), "# `Two` words, once\n## Two words, once\n");
    await writeFile(
      file,
      [
        "# Here",
        "[a](b.md#two-words-once) [b](b.md#two-words-once-1) [`c`](#here) [d](https://example.com/x)",
        "[a](c.md) ![b](b.png)",
        "[c](b.md#three) [d](#there) `[e](no-link.md)`",
        "```",
        "[f](no-link.md)",
        "```",
      ].join("\n"),
    );
    expect(await brokenLinks(file)).toEqual([
      `${file}:3: c.md`,
      `${file}:3: b.png`,
      `${file}:4: b.md#three`,
      `${file}:4: #there`,
    ]);
  });
});
