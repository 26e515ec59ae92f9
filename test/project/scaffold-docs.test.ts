import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const PAGES = ["eventstore", "projections"] as const;

let dir: string;

beforeAll(async () => {
  // Inside the project: the examples import its sources and its packages.
  await mkdir(".tidemark", { recursive: true });
  dir = await mkdtemp(resolve(".tidemark/docs-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** A page's TypeScript as one module, in which a block knows those above it. */
async function moduleOf(page: string): Promise<string> {
  const text = await readFile(`docs/${page}.md`, "utf8");
  const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);
  expect(blocks.length).toBeGreaterThan(2);
  return `${blocks.join("\n").replaceAll('"../src/', '"../../src/')}\nexport {};\n`;
}

test("the examples of the scaffold's pages compile as they stand, one block after the other", async () => {
  for (const page of PAGES) await writeFile(join(dir, `${page}.ts`), await moduleOf(page));
  const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false };
  const config = { extends: resolve("tsconfig.json"), compilerOptions, include: ["*.ts"] };
  await writeFile(join(dir, "tsconfig.json"), JSON.stringify(config));
  const args = [resolve("node_modules/typescript/bin/tsc"), "--noEmit", "-p", dir];
  await promisify(execFile)(process.execPath, args).catch((error: { stdout: string }) => {
    throw new Error(error.stdout);
  });
});
