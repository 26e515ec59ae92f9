import { readFile } from "node:fs/promises";
import { generateDrizzleJson, generateMigration } from "drizzle-kit/api";
import { describe, expect, test } from "vitest";
import * as schema from "../../src/db/schema/index.ts";
import {
  expectedConstraints,
  expectedIndexes,
  qualifiedName,
  tables,
} from "../helpers/schema-tables.ts";

const SUFFIXES = { "primary key": "_pk", "foreign key": "_fk", unique: "_key", check: "_check" };

const folder = new URL("../../drizzle/", import.meta.url);
const readJson = async (path: string) => JSON.parse(await readFile(new URL(path, folder), "utf8"));

describe("the Drizzle schema", () => {
  test("has the tables of the event store and of the projections", () => {
    expect(tables.map(qualifiedName).sort()).toEqual([
      "eventstore.events",
      "eventstore.idempotency_keys",
      "eventstore.snapshots",
      "eventstore.unique_constraints",
      "projections.current_states",
      "projections.failed_events",
      // users:start
      "projections.orgs",
      "projections.user_humans",
      "projections.user_machines",
      "projections.user_notifications",
      "projections.users",
      // users:end
    ]);
  });

  test.each(tables.map((table) => [qualifiedName(table), table] as const))(
    "%s names all it has by hand: <table>_<what>_<kind>",
    (_, table) => {
      for (const { kind, name } of expectedConstraints(table)) {
        expect(name.startsWith(`${table.name}_`) && name.endsWith(SUFFIXES[kind]), name).toBe(true);
      }
      for (const { config } of table.indexes) {
        expect(config.name).toMatch(new RegExp(`^${table.name}_\\w+_idx$`));
      }
      for (const { name, generatedIdentity } of table.columns) {
        if (!generatedIdentity) continue;
        expect(generatedIdentity.sequenceName).toBe(`${table.name}_${name}_seq`);
      }
    },
  );

  test("uses no name twice, and none that PostgreSQL would cut off", () => {
    const names = tables.flatMap((table) => [
      ...expectedConstraints(table).map(({ name }) => name),
      ...table.indexes.map(({ config }) => config.name ?? ""),
    ]);
    expect(names).toEqual([...new Set(names)]);
    expect(names.filter((name) => name.length > 63)).toEqual([]);
  });

  test("puts instance_id first in every table, key and index", () => {
    for (const table of tables) {
      expect(table.columns[0]?.name).toBe("instance_id");
      for (const { name, columns } of expectedIndexes(table)) {
        expect(columns[0], name).toBe("instance_id");
      }
    }
  });
});

describe("the drizzle folder", () => {
  test("leaves nothing to generate", async () => {
    const { entries } = await readJson("meta/_journal.json");
    const last = entries.at(-1);
    const before = await readJson(`meta/${last.tag.split("_")[0]}_snapshot.json`);
    const now = generateDrizzleJson(schema, before.id);
    expect(await generateMigration(before, now)).toEqual([]);
  });

  test("creates every schema and sequence that the tables need", async () => {
    const { entries } = await readJson("meta/_journal.json");
    const files = await Promise.all(
      entries.map(({ tag }: { tag: string }) => readFile(new URL(`${tag}.sql`, folder), "utf8")),
    );
    const text = files.join("\n");
    for (const table of tables) {
      expect(text).toContain(`CREATE SCHEMA "${table.schema}";`);
      for (const { generatedIdentity } of table.columns) {
        if (generatedIdentity) expect(text).toContain(`"${generatedIdentity.sequenceName}"`);
      }
    }
  });
});
