import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { migrateWithDrizzle } from "./drizzle-migrators.ts";
import type { OddHistory } from "./odd-histories.ts";

const HOUR = 3_600_000;
const START = Date.UTC(2025, 2, 1);

/** The folder of an odd history, which grows from deploy to deploy. */
export interface OddFolder {
  readonly dir: string;
  /** The first `count` migrations, and the history's other files. */
  readonly deploy: (count: number) => Promise<void>;
  /** What was edited after it was applied. */
  readonly edit: () => Promise<void>;
  /** One more migration after all of the history. */
  readonly addNext: (sql: string) => Promise<string>;
  readonly byDrizzle: (url: string) => Promise<void>;
  readonly remove: () => Promise<void>;
}

export async function oddFolder(history: OddHistory): Promise<OddFolder> {
  const { layout, files = {}, edits = {}, table } = history;
  const migrations = [...history.migrations];
  const dir = await mkdtemp(join(tmpdir(), "tidemark-odd-"));
  const write = async (path: string, text: string) => {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
  };
  const fileOf = (tag: string) => (layout === "0.x" ? `${tag}.sql` : `${tag}/migration.sql`);
  const deploy = async (count: number) => {
    const now = migrations.slice(0, count);
    for (const { tag, sql } of now) await write(fileOf(tag), sql);
    for (const [path, text] of Object.entries(files)) await write(path, text);
    if (layout === "1.x") return;
    const entries = now.map(({ tag, when = START + migrations.length * HOUR, idx }, place) => ({
      ...{ idx: idx ?? place, version: "7", tag, breakpoints: true },
      when: now[place]?.when ?? Math.min(when, START + place * HOUR),
    }));
    const journal = { version: "7", dialect: "postgresql", entries };
    await write("meta/_journal.json", JSON.stringify(journal));
  };
  const edit = async () => {
    for (const [tag, text] of Object.entries(edits)) await write(fileOf(tag), text);
  };
  return {
    dir,
    deploy,
    edit,
    addNext: async (sql) => {
      const number = migrations.length;
      const when = Date.UTC(2026, 0, 1 + number);
      const stamp = new Date(when).toISOString().replaceAll(/\D/g, "").slice(0, 14);
      const tag = layout === "0.x" ? `${String(9000 + number)}_next` : `${stamp}_next`;
      migrations.push({ tag, sql, when, idx: 100 + number });
      await deploy(migrations.length);
      await edit();
      return tag;
    },
    byDrizzle: (url) => migrateWithDrizzle(layout, { url, dir, ...(table && { table }) }),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}
