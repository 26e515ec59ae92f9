import { expect, test } from "vitest";
import { useProject } from "../helpers/project-fixture.ts";

const shop = useProject();
const { tidemark } = shop;

test("tidemark doctor says what it has looked at, and exits with 1 where something is wrong", async () => {
  const fine = await tidemark("doctor");
  expect(fine.split("\n").slice(0, 4)).toEqual([
    "exit code 0",
    "--- stdout",
    expect.stringMatching(/^✓ The server is PostgreSQL 1\d\./),
    "✓ It is no standby: it takes writes.",
  ]);
  expect(fine).toMatch(/\n\d+ fine, \d warnings?, 0 wrong\.\n/);
  await tidemark("migrate");
  await shop.project.write("drizzle/0000_create_notes.sql", "select 1;");
  const wrong = await tidemark("doctor");
  expect(wrong).toMatch(/^exit code 1\n/);
  expect(wrong).toMatch(/\n✗ [^✓✗]*0000_create_notes[^✓✗]*\n {2}\S/);
});

test("tidemark doctor --json gives each finding a code that stays", async () => {
  const text = await tidemark("doctor", "--json");
  const { ok, findings } = JSON.parse(text.slice(text.indexOf("{")));
  expect(ok).toBe(true);
  expect(findings).toContainEqual({
    code: "history",
    level: "ok",
    fact: "Ledger and folder agree: no migration is applied, 3 pending.",
    remedy: null,
  });
});

test("tidemark doctor without a server says so, as every command", async () => {
  const text = await tidemark(
    "doctor",
    "--url",
    "postgres://127.0.0.1:1/x",
    "--connect-timeout",
    "0",
  );
  expect(text).toMatch(
    /^exit code 1\n--- stderr\nerror \(connect\) Cannot connect to 127\.0\.0\.1:1\/x.*\nNothing was read\./,
  );
});
