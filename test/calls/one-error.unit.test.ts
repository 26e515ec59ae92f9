import { expect, test } from "vitest";
import { MigrateError } from "../../src/db/migrate/index.ts";

const PARTS = { code: "config", fact: "It is so.", remedy: "Change it." } as const;

/** What a second copy of the package has: that of CommonJS, or of a bundle. */
async function anotherCopy(): Promise<typeof MigrateError> {
  const url = new URL("../../src/db/migrate/errors.ts?another", import.meta.url).href;
  return (await import(/* @vite-ignore */ url)).MigrateError;
}

test("an error of another copy of the package is a MigrateError", async () => {
  const Other = await anotherCopy();
  expect(Other).not.toBe(MigrateError);
  expect(new Other(PARTS)).toBeInstanceOf(MigrateError);
  expect(new MigrateError(PARTS)).toBeInstanceOf(Other);
});

test("what has only its fields is none, and neither is nothing", () => {
  for (const value of [Object.assign(new Error("config"), PARTS), PARTS, null, undefined, "x"]) {
    expect(value).not.toBeInstanceOf(MigrateError);
  }
});

test("a class that extends it has those that it made", () => {
  class Special extends MigrateError {}
  expect(new Special(PARTS)).toBeInstanceOf(Special);
  expect(new Special(PARTS)).toBeInstanceOf(MigrateError);
  expect(new MigrateError(PARTS)).not.toBeInstanceOf(Special);
});
