import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { expect, test } from "vitest";

const ENGINE = "src/db/migrate";

/** The rows of CONTRIBUTING's table: the room's folder, the files to open first, its tests. */
function rooms() {
  const text = readFileSync("CONTRIBUTING.md", "utf8");
  const rows = text
    .slice(text.indexOf("| room |"), text.indexOf("Imports point one way"))
    .split("\n");
  return rows.flatMap((row) => {
    const [, room = "", , first = "", tests = ""] = row.split("|");
    const [name] = named(room);
    if (name === undefined || named(first).length === 0) return [];
    const folder = room.includes("…") ? join(ENGINE, name) : name;
    return [{ folder, first: named(first), tests: named(tests) }];
  });
}

const named = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);

const sources = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(folder, file));

test("each room of CONTRIBUTING has its files and tests", () => {
  for (const { folder, first, tests } of rooms()) {
    for (const file of first)
      expect(existsSync(join(folder, file)), `${folder} ${file}`).toBe(true);
    for (const path of tests) expect(existsSync(path), `${folder}: ${path}`).toBe(true);
  }
});

test("each folder of the sources is a room of CONTRIBUTING, or lies in one", () => {
  const known = new Set(rooms().map(({ folder }) => folder));
  const unknown = sources("src")
    .map((file) => dirname(file))
    .filter((folder) => !known.has(folder) && folder !== "src" && folder !== "src/cli/support");
  expect([...new Set(unknown)]).toEqual([]);
});

test("no file of the sources is above 250 lines", () => {
  const long = sources("src").filter(
    (file) => readFileSync(file, "utf8").trimEnd().split("\n").length > 250,
  );
  expect(long).toEqual([]);
});

test("no base name stands twice inside the engine", () => {
  const names = sources(ENGINE).map((file) => basename(file));
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});
