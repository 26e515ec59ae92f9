import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { PROTECTIONS } from "../../scripts/teeth/protections.ts";

const ROOT = join(import.meta.dirname, "../..");
const TESTS = readdirSync(join(ROOT, "test"), { recursive: true, encoding: "utf8" }).filter(
  (file) => file.endsWith(".test.ts"),
);

describe("each protection that `npm run teeth` takes away", () => {
  test.each(PROTECTIONS)("is there once: $name", ({ file, from, to }) => {
    const whole = readFileSync(join(ROOT, "src", file), "utf8");
    expect(whole.split(from)).toHaveLength(2);
    expect(whole.replace(from, () => to)).not.toBe(whole);
  });

  test.each(PROTECTIONS)("has a test: $name", ({ test: name }) => {
    expect(TESTS.some((file) => file.includes(name))).toBe(true);
  });
});
