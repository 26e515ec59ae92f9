import { afterEach, expect, test, vi } from "vitest";
import { createOutput } from "../../src/cli/support/output.ts";

afterEach(() => vi.restoreAllMocks());

test("--json prints one object, whatever comes after it", () => {
  const printed: string[] = [];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed.push(String(text));
    return true;
  });
  const output = createOutput({ json: true });
  output.json({ first: 1 });
  output.json({ second: 2 });
  output.print("text");
  expect(printed.map((text) => JSON.parse(text))).toEqual([{ first: 1 }]);
});
