import { expect, test } from "vitest";
import { tidemark } from "../helpers/cli.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory();
const MEGABYTE = 1_024;

/** The most memory that a process had, as it ends. In kilobytes, as Node.js has it on every platform. */
const TELL =
  "data:text/javascript,process.on('exit',()=>console.error('maxRSS',process.resourceUsage().maxRSS))";

async function migrate(): Promise<{ readonly code: number | null; readonly most: number }> {
  const env = {
    DATABASE_URL: database.url,
    NODE_OPTIONS: `--import=${TELL}`,
  };
  const { code, stderr } = await tidemark(["migrate", "--dir", "."], { cwd: folder.dir, env });
  return { code, most: Number(/maxRSS (\d+)/.exec(stderr)?.[1]) / MEGABYTE };
}

// Above what was measured on two cores by a quarter at the least: 80, 380 and 230 MB.
test("five million rows that a statement returns take 120 MB at the most", async () => {
  await folder.make({ "0000_rows": "select n, md5(n::text) from generate_series(1, 5000000) n;" });
  const { code, most } = await migrate();
  expect(code).toBe(0);
  expect(most).toBeLessThan(120);
});

test("a file of 44 MB with 100,000 INSERTs takes 500 MB at the most", {
  timeout: 120_000,
}, async () => {
  const row = (i: number) =>
    `INSERT INTO "items" ("id", "name") VALUES (${i}, '${"x".repeat(380)}');`;
  const rows = Array.from({ length: 100_000 }, (_, i) => row(i));
  const create = 'CREATE TABLE "items" ("id" integer, "name" text);';
  await folder.make({ "0000_big": [create, ...rows].join("\n--> statement-breakpoint\n") });
  const { code, most } = await migrate();
  expect(code).toBe(0);
  expect(most).toBeLessThan(500);
  expect(await database.sql`select count(*)::int as n from items`).toEqual([{ n: 100_000 }]);
});

test("10,000 pending migrations take 300 MB at the most until the first runs", {
  timeout: 120_000,
}, async () => {
  const files = Array.from({ length: 10_000 }, (_, i) => [
    `${String(i).padStart(5, "0")}_table_${i}`,
    `CREATE TABLE "t${i}" ("id" serial PRIMARY KEY NOT NULL, "name" text NOT NULL);
CREATE INDEX "t${i}_name_idx" ON "t${i}" ("name");
ALTER TABLE "t${i}" ADD COLUMN "email" text;
ALTER TABLE "t${i}" ADD CONSTRAINT "t${i}_email_unique" UNIQUE("email");
INSERT INTO "t${i}" ("name") VALUES ('x');`,
  ]);
  await folder.make({ ...Object.fromEntries(files), "00000_table_0": "select 1 / 0;" });
  const { code, most } = await migrate();
  expect(code).toBe(1);
  expect(most).toBeLessThan(300);
});
