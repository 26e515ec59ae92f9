import { execFile } from "node:child_process";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { DatabaseMigrator, EXIT_CODES } from "../../src/db/migrate/index.ts";
import { createDatabase, urlOfDatabase } from "../helpers/database.ts";
import { historyFolder } from "../helpers/history.ts";
import { installPackage, type PackageUser } from "../helpers/package-user.ts";

const DOCS = "docs/MIGRATION_SYSTEM.md";
const text = await readFile(DOCS, "utf8");
const examples = [
  ...(await blocksOf("README.md", "In an application")),
  ...(await blocksOf(DOCS, "In a program")),
];

/** The TypeScript blocks of a section. */
async function blocksOf(
  file: string,
  heading: string,
): Promise<readonly (readonly [string, string])[]> {
  const all = await readFile(file, "utf8");
  const section = all.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  const blocks = [...section.matchAll(/^```ts\n(.*?)^```$/gms)];
  return blocks.map(([, code = ""], i) => [`${file}, ${heading}, example ${i + 1}`, code]);
}

let user: PackageUser;
beforeAll(async () => {
  user = await installPackage();
  await cp("drizzle", join(user.dir, "drizzle"), { recursive: true });
  await writeFile(join(user.dir, "package.json"), `{ "type": "module" }`);
  for (const [i, [, code]] of examples.entries()) {
    await writeFile(join(user.dir, `example-${i}.ts`), `${code}\nexport {};\n`);
  }
});
afterAll(() => user.remove());

describe("an example of the documents", () => {
  test("is there to be run", () => {
    expect(examples.map(([name]) => name)).toEqual([
      "README.md, In an application, example 1",
      `${DOCS}, In a program, example 1`,
      `${DOCS}, In a program, example 2`,
      `${DOCS}, In a program, example 3`,
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

  test.each(examples.map(([name], i) => [name, i] as const))(
    "runs as it stands: %s",
    async (_name, i) => {
      const database = await createDatabase();
      try {
        const { PATH = "", HOME = "" } = process.env;
        const args = ["--import", "tsx", `example-${i}.ts`];
        const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
          cwd: user.dir,
          env: { PATH, HOME, DATABASE_URL: database.url },
        });
        expect(stderr).toBe("");
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
  const section = text.slice(text.indexOf("## Rights"), text.indexOf("## Errors"));
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

describe(DOCS, () => {
  test("names every option of the command line", () => {
    const options = createProgram(() => undefined).commands.flatMap((command) =>
      ["migrate", "status", "events", "wait", "drift", "repair", "sum"].includes(command.name())
        ? command.options.map(({ long }) => long ?? "")
        : [],
    );
    const settings = text.slice(text.indexOf("## Settings"), text.indexOf("## In a program"));
    const onTheirOwn = [
      "--to",
      "--dry-run",
      "--allow-out-of-order",
      "--check",
      "--tag",
      "--follow",
    ];
    for (const option of new Set(options)) {
      if (!onTheirOwn.includes(option)) expect(settings).toContain(`\`${option}`);
    }
  });

  test.each([
    { name: "generate", from: "## Generating", to: "## Down files", one: "--rename-table" },
    { name: "down", from: "## Down files", to: "## `tidemark.sum`", one: "--missing" },
    { name: "verify", from: "## Down files", to: "## Drift", one: "--format" },
  ])("names every option of $name", ({ name, from, to, one }) => {
    const section = text.slice(text.indexOf(from), text.indexOf(to));
    const found = createProgram(() => undefined).commands.find(
      (command) => command.name() === name,
    );
    // Among the settings.
    const everywhere = [
      "--json",
      "--quiet",
      "--no-color",
      "--ledger-schema",
      "--dir",
      "--config",
      "--scratch-url",
    ];
    const options = (found?.options ?? [])
      .map(({ long }) => long ?? "")
      .filter((option) => !everywhere.includes(option));
    expect(options).toContain(one);
    for (const option of options) expect(section).toMatch(new RegExp(`\`${option}\\b`));
  });

  test("names every error code that there is, with its exit code", () => {
    const table = text.slice(text.indexOf("## Errors"), text.indexOf("## JSON"));
    const planned = ["irreversible", "data_loss"];
    for (const [code, exit] of Object.entries(EXIT_CODES)) {
      if (planned.includes(code)) continue;
      const row = table.split("\n").find((line) => line.startsWith(`| ${exit}`));
      expect(row).toContain(`\`${code}\``);
    }
  });

  test("names every call of the migrator", () => {
    const table = text.slice(text.indexOf("## In a program"), text.indexOf("## Rights"));
    const calls = Object.getOwnPropertyNames(DatabaseMigrator.prototype);
    for (const call of calls.filter((name) => name !== "constructor")) {
      expect(table).toContain(`| \`${call}(`);
    }
  });
});
