import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { DatabaseMigrator } from "../../src/db/migrate/index.ts";
import { useDatabase } from "../helpers/database.ts";
import { type DrizzleVersion, migrateWithDrizzle } from "../helpers/drizzle-migrators.ts";

const database = useDatabase();
let dir: string;
let tags: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "tidemark-layouts-"));
  tags = [];
  return () => rm(dir, { recursive: true, force: true });
});

/** Adds the next migration, which inserts its number. */
async function addNext(layout: DrizzleVersion): Promise<void> {
  const number = tags.length;
  const table = number === 0 ? "create table log (step integer);\n--> statement-breakpoint\n" : "";
  const sql = `${table}insert into log values (${number});`;
  const when = Date.UTC(2025, 0, 1 + number, 1, 2, 3) + (layout === "0.x" ? 456 : 0);
  if (layout === "1.x") {
    const time = new Date(when).toISOString().replaceAll(/\D/g, "").slice(0, 14);
    const tag = `${time}_step_${number}`;
    tags.push(tag);
    await mkdir(join(dir, tag));
    await writeFile(join(dir, tag, "migration.sql"), sql);
    return;
  }
  tags.push(`${String(number).padStart(4, "0")}_step_${number}`);
  await writeFile(join(dir, `${tags.at(-1)}.sql`), sql);
  await mkdir(join(dir, "meta"), { recursive: true });
  const entries = tags.map((tag, idx) => ({
    ...{ idx, version: "7", tag, breakpoints: true },
    when: Date.UTC(2025, 0, 1 + idx, 1, 2, 3) + 456,
  }));
  const journal = { version: "7", dialect: "postgresql", entries };
  await writeFile(join(dir, "meta", "_journal.json"), JSON.stringify(journal));
}

const byTidemark = () => new DatabaseMigrator({ url: database.url, dir }).migrate();
const steps = async () => {
  const rows = await database.sql`select step from log order by ctid`;
  return rows.map(({ step }) => step);
};
const upTo = (count: number) => Array.from({ length: count }, (_, step) => step);

describe.each(["0.x", "1.x"] as const)("in the layout of %s", (layout) => {
  const byDrizzle = () => migrateWithDrizzle(layout, { url: database.url, dir });

  test("drizzle and Tidemark take turns, three times each, and each migration runs once", async () => {
    for (let turn = 0; turn < 3; turn += 1) {
      await addNext(layout);
      await byDrizzle();
      expect(await steps()).toEqual(upTo(tags.length));
      if (turn === 1) {
        // Without anything of its own to do, it takes note all the same.
        expect(await byTidemark()).toMatchObject({
          applied: [],
          takenOver: { adopted: [tags.at(-1)] },
        });
      }
      await addNext(layout);
      await addNext(layout);
      expect(await byTidemark()).toMatchObject({ version: tags.at(-1), applied: { length: 2 } });
      expect(await steps()).toEqual(upTo(tags.length));
    }
    await byDrizzle();
    expect(await steps()).toEqual(upTo(tags.length));
    expect(await byTidemark()).toMatchObject({ outcome: "current" });
    const rows = await database.sql`select * from drizzle.__drizzle_migrations order by id`;
    expect(rows).toHaveLength(tags.length);
    if (layout === "1.x") {
      expect(rows.map(({ name }) => name)).toEqual(tags);
      expect(rows.every(({ applied_at }) => applied_at instanceof Date)).toBe(true);
    }
  });
});
