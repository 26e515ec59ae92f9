import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterEach, expect, inject, test } from "vitest";
import { DatabaseMigrator, loadHistory } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { createKitProject, type KitProject } from "../helpers/kit-project.ts";
import { readmeExample } from "../helpers/readme-examples.ts";

const database = useDatabase();
let project: KitProject;

const PEOPLE = `export const people = pgTable("people", { id: serial().primaryKey(), name: text().notNull(), age: integer() });`;

async function start(kit: "0.31" | "1.x") {
  project = await createKitProject(PEOPLE, undefined, { kit });
  const run = await tidemark("generate", "people");
  expect(run).toContain("people");
  await tidemark("generate", "fill_orgs", "--custom");
}

async function tidemark(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await project.run(args, {
    DATABASE_URL: database.url,
  });
  return `${stdout}${stderr}`;
}

const tagOf = async (name: string) =>
  (await loadHistory(join(project.root, "drizzle"), { sumFile: "ignore" })).migrations.find(
    ({ tag }) => tag.endsWith(name),
  )?.tag ?? "";

/** What the compiler says of a file of the project, with the package's types at hand. */
async function typesOf(file: string): Promise<string> {
  const config = {
    extends: resolve("tsconfig.json"),
    compilerOptions: {
      ...{ types: [], skipLibCheck: true, noEmit: true, allowImportingTsExtensions: true },
      paths: { "tidemark/steps": ["./installed/steps/index.ts"] },
    },
    include: [],
    files: [file],
  };
  await project.write("tsconfig.json", JSON.stringify(config));
  await project.write("package.json", '{ "type": "module" }');
  // So that its types are those of the project's drizzle-orm.
  await cp("src/db", join(project.root, "installed"), { recursive: true });
  try {
    await promisify(execFile)(process.execPath, [
      resolve("node_modules/typescript/bin/tsc"),
      "-p",
      project.root,
    ]);
    return "";
  } catch (error) {
    // Of our own sources nothing: here they have no types of Node's.
    const { stdout } = error as { readonly stdout: string };
    return stdout
      .split("\n")
      .filter((line) => line.includes("/drizzle/"))
      .join("\n");
  }
}

afterEach(() => project.remove());

test.each(["0.31", "1.x"] as const)(
  "a step is written with the schema that it sees, and compiles when the schema has moved on (drizzle-kit %s)",
  { timeout: 120_000 },
  async (kit) => {
    await start(kit);
    const said = await tidemark(
      ...(await readmeExample("step")),
      "--scratch-url",
      inject("serverUrl"),
    );
    expect(said).toContain("Wrote drizzle/");
    const tag = await tagOf("_fill_orgs");
    const [step, schema] =
      kit === "1.x" ? [`${tag}/step.ts`, `${tag}/schema.ts`] : [`${tag}.ts`, `${tag}.schema.ts`];
    expect(await project.read(schema)).toContain('pgTable("people"');
    const own = (await project.read(step))
      .replace(
        "    void db;\n    void sql;\n",
        '    await db.insert(schema.people).values({ name: "ada", age: 36 });\n    void sql;\n',
      )
      .replace(
        'log("nothing to do yet");',
        "log(String((await db.select().from(schema.people))[0]?.age));",
      )
      .replace("void schema;\n\n", "");
    await project.write(`drizzle/${step}`, own);
    await tidemark("sum");
    expect(await typesOf(`drizzle/${step}`)).toBe("");

    await project.schema(
      PEOPLE.replace("people = ", "persons = ").replace("age: integer()", "born: integer()"),
    );
    await tidemark("generate", "born", "--no-renames");
    expect(await tagOf("_born")).not.toBe("");
    expect(await typesOf(`drizzle/${step}`)).toBe("");
    await project.write(`drizzle/${step}`, own.replace("age: 36", "born: 1990"));
    expect(await typesOf(`drizzle/${step}`)).toMatch(/ts\(7,\d+\): error/);
    await project.write(`drizzle/${step}`, own);
    expect(await tidemark("verify", "--scratch-url", inject("serverUrl"))).not.toMatch(/✗|stray/);
  },
);

test("in an image the compiled steps run, with the head of their sources, and an edited one is refused", {
  timeout: 120_000,
}, async () => {
  await start("0.31");
  await project.write(
    "drizzle/helper.ts",
    "export enum Age { Of = 36 }\nexport const age: number = Age.Of;\n",
  );
  await project.write(
    "drizzle/0001_fill_orgs.ts",
    `import { defineStep } from "tidemark/steps";
import { age } from "./helper";
export default defineStep({ run: async ({ sql }) => void (await sql\`insert into people (name, age) values ('ada', \${age})\`) });
`,
  );
  await tidemark("sum");
  const before = await loadHistory(join(project.root, "drizzle"));
  // What an image has installed.
  const image = join(project.root, "dist");
  expect(await tidemark(...(await readmeExample("build-steps")))).toContain("1 compiled");
  await writeInstalled(image);
  expect((await readdir(join(image, "drizzle"))).toSorted()).toEqual([
    "0000_people.sql",
    "0001_fill_orgs.mjs",
    "0001_fill_orgs.sql",
    "meta",
    "tidemark.sum",
  ]);
  expect((await loadHistory(join(image, "drizzle"))).head).toBe(before.head);
  const migrator = new DatabaseMigrator({ url: database.url, dir: join(image, "drizzle") });
  expect(await migrator.migrate()).toMatchObject({ outcome: "applied" });
  expect(await database.sql`select name, age from people`).toEqual([{ name: "ada", age: 36 }]);
  const sources = new DatabaseMigrator({ url: database.url, dir: join(project.root, "drizzle") });
  expect(await sources.migrate()).toMatchObject({ outcome: "current" });
  const env = { DATABASE_URL: database.url };
  const drift = await project.run(["drift", "--scratch-url", inject("serverUrl")], env);
  expect(drift).toMatchObject({ code: 0 });

  const file = join(image, "drizzle", "0001_fill_orgs.mjs");
  await writeFile(file, (await readFile(file, "utf8")).replace("ada", "eve"));
  await expect(migrator.migrate()).rejects.toMatchObject({
    code: "history_invalid",
    fact: expect.stringContaining("compiled by Tidemark and edited since"),
  });
  const inside = await tidemark("build-steps", "--out", "drizzle/built");
  expect(inside).toContain("--out drizzle/built is inside drizzle");
});

/** The package as an image has it, as far as a step needs it. */
async function writeInstalled(root: string): Promise<void> {
  const folder = join(root, "node_modules", "tidemark");
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, "package.json"),
    '{ "type": "module", "exports": { "./steps": "./steps.js" } }',
  );
  const kind = 'Symbol.for("tidemark.code")';
  await writeFile(
    join(folder, "steps.js"),
    `export const defineStep = (step) => ({ ...step, [${kind}]: "step" });`,
  );
}
