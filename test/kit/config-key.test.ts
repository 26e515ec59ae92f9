import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { addTypes, installPackage, type PackageUser } from "../helpers/package-user.ts";

const run = promisify(execFile);
let user: PackageUser;

beforeEach(async () => {
  user = await installPackage();
  await addTypes(user);
});
afterEach(() => user.remove());

/** The examples of the documents. */
const [README = "", CONNECTING = ""] = await Promise.all(
  ["README.md", "docs/connecting.md"].map(async (file) => {
    const text = await readFile(file, "utf8");
    const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);
    return blocks.find((code) => code.includes("satisfies Config"));
  }),
);

const DEFINED = `import { defineConfig } from "drizzle-kit";
import type { TidemarkSettings } from "tidemark";

const tidemark: TidemarkSettings = { ledgerSchema: "tidemark_shop" };
export default { ...defineConfig({ dialect: "postgresql", schema: "./src/schema.ts", out: "./drizzle" }), tidemark };
`;

const config = (text: string) => writeFile(join(user.dir, "drizzle.config.ts"), text);

async function typeErrors(): Promise<string> {
  const options =
    "--ignoreConfig --noEmit --strict --skipLibCheck --module nodenext --types node".split(" ");
  return run(resolve("node_modules/.bin/tsc"), [...options, "drizzle.config.ts"], {
    cwd: user.dir,
  }).then(
    () => "",
    ({ stdout }) => String(stdout),
  );
}

test.each([
  ["satisfies, of the README", README],
  ["satisfies, of the documents", CONNECTING],
  ["defineConfig", DEFINED],
])(
  "drizzle-kit reads a configuration with our key, and types accept it (%s)",
  async (_name, text) => {
    await config(text);
    await mkdir(join(user.dir, "src"));
    await writeFile(
      join(user.dir, "src/schema.ts"),
      `import { pgTable, integer } from "drizzle-orm/pg-core";\nexport const notes = pgTable("notes", { id: integer() });`,
    );
    expect(await typeErrors()).toBe("");
    await run(
      process.execPath,
      [resolve("node_modules/drizzle-kit/bin.cjs"), "generate", "--name", "notes"],
      {
        cwd: user.dir,
      },
    );
    expect(await readdir(join(user.dir, "drizzle"))).toEqual(["0000_notes.sql", "meta"]);
    await rm(join(user.dir, "drizzle"), { recursive: true });
  },
);

test("types refuse a key that is unknown", async () => {
  await config(CONNECTING.replace("ledgerSchema", "ledgerScheme"));
  expect(await typeErrors()).toMatch(/'ledgerScheme' does not exist in type 'TidemarkSettings'/);
});
