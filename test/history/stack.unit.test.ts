import { expect, test } from "vitest";
import { placeInStack } from "../../src/db/migrate/code/stack.ts";

const SUM = "sha256:00" as const;
const FILE = {
  file: "drizzle/0001_a.ts",
  path: "/app/drizzle/0001_a.ts",
  text: 'const a = 1;\nthrow new Error("top");\n',
  checksum: SUM,
  sqlChecksum: SUM,
  load: async () => undefined,
};

test.each([
  ["Node's", "at file:///app/drizzle/0001_a.ts?sha256:0a1b:2:7"],
  ["Node's, in a function", "at run (file:///app/drizzle/0001_a.ts?sha256:0a1b:2:7)"],
  ["jiti's and tsx's", "at <anonymous> (/app/drizzle/0001_a.ts:2:7)"],
  ["vitest's", "at /app/drizzle/0001_a.ts?sha256:0a1b:2:7"],
])("a frame of %s names the line of the file", (_name, frame) => {
  const error = new Error("top");
  error.stack = `Error: top\n    at other (/app/other.ts:9:9)\n    ${frame}`;
  expect(placeInStack(error, FILE)).toEqual({ place: { line: 2, column: 7 }, offset: 19 });
});
