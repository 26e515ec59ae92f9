import { expect, test } from "vitest";
import { newId } from "../../src/domain/index.ts";
import { hashPassword, isPasswordOf } from "../../src/users/password.ts";
import { maskedPayload, user } from "../../src/users/user-events.ts";

const CHEAP = { memoryKiB: 64, passes: 1, lanes: 1 };

test("a password is hashed by argon2id with what OWASP asks for at least", async () => {
  expect(await hashPassword("correct horse")).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
});

test("the right password is told from a wrong one, however its letters are composed", async () => {
  const hashed = await hashPassword("café au lait", CHEAP);
  expect(await isPasswordOf(hashed, "cafe\u0301 au lait")).toBe(true);
  expect(await isPasswordOf(hashed, "cafe au lait")).toBe(false);
  expect(await isPasswordOf("no hash", "no hash")).toBe(false);
});

test("one password has another hash each time", async () => {
  expect(await hashPassword("password", CHEAP)).not.toBe(await hashPassword("password", CHEAP));
});

test("every hash among the events is masked", () => {
  const withHash = Object.entries(user.events).filter(([, { schema }]) => "hash" in schema.shape);
  expect(withHash.length).toBe(2);
  for (const [type] of withHash) {
    expect(maskedPayload(type, { hash: "$argon2id$x" })).toEqual({ hash: "********" });
  }
  expect(maskedPayload("user.username.changed", { username: "ada" })).toEqual({ username: "ada" });
});

test("ids are UUIDs of version 7, in the order of their time", () => {
  const [one, two] = [newId(1_700_000_000_000), newId(1_700_000_000_001)];
  expect(one).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(one < two).toBe(true);
  expect(newId()).not.toBe(newId());
});
