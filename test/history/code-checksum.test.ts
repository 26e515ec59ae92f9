import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  compiledText,
  DatabaseMigrator,
  loadHistory,
  writeSumFile,
} from "../../src/db/migrate/index.ts";
import { IMPORT, stepText, writeStep } from "../helpers/code-steps.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";

const database = useDatabase();
const folder = useHistory({ "0000_a": "create table a (n integer);", "0001_b": "select 1;" });

const TAG = "0000_a";
const migrator = () => new DatabaseMigrator({ url: database.url, dir: folder.dir });
const checksum = async () => (await loadHistory(folder.dir)).migrations[0]?.code?.checksum;

const SOURCE = `${IMPORT}
import { add } from "./helper.ts";
import type { Row } from "./types.ts";
interface Two { a: number }
export default defineStep({
  async run({ sql }) {
    const n: number = add(1, 2) as number;
    await sql\`insert into a values (\${n!})\`;
  },
});
`;
const HELPER = "export function add(a: number, b: number) { return a + b; }\n";

async function write(source: string, helper = HELPER) {
  await writeFile(join(folder.dir, "helper.ts"), helper);
  await writeFile(join(folder.dir, "types.ts"), "export type Row = object;\n");
  await writeStep(folder.dir, TAG, source);
  return checksum();
}

test("comments, formatting and types do not count", async () => {
  const first = await write(SOURCE);
  const same = [
    SOURCE.replaceAll("\n", "\r\n"),
    `\uFEFF// about it\n${SOURCE}`,
    SOURCE.replace(
      "const n: number = add(1, 2) as number;",
      "const n = /* sum */ (add(\n1,\n2,\n));",
    ),
    SOURCE.replace("interface Two { a: number }\n", "type Other = string;"),
    SOURCE.replace('import type { Row } from "./types.ts";\n', ""),
    SOURCE.replace("add(1, 2)", "add(0x1, 2.0)"),
    SOURCE.replaceAll('"./helper.ts"', "'./helper.js'"),
  ];
  for (const text of same) expect([text, await write(text)]).toEqual([text, first]);
  expect(await write(SOURCE, `// helps\n${HELPER.replace("a: number", "a: any")}`)).toBe(first);
});

test("what the code does counts, and what it imports by a relative path", async () => {
  const first = await write(SOURCE);
  const others = [
    SOURCE.replace("add(1, 2)", "add(2, 1)"),
    SOURCE.replace("insert into a", "insert into b"),
    SOURCE.replace("add(1, 2)", "add?.(1, 2)"),
    SOURCE.replace("await sql", "sql"),
    SOURCE.replace("export default", "export const x ="),
  ];
  const sums = [first, await write(SOURCE, HELPER.replace("+", "-"))];
  for (const text of others) sums.push(await write(text));
  expect(new Set(sums).size).toBe(sums.length);
});

test("the checksum is the one that was recorded once, whatever parses it", async () => {
  await writeStep(
    folder.dir,
    TAG,
    `import { defineStep } from "tidemark/steps";
enum Level { Low = 1, High = "h" }
class Box<T> { #n = 0n; static { } get x(): T { return this.y as T; } constructor(readonly y: T, private z?: T) {} }
export default defineStep({ check: () => !false, run: async ({ sql }) => {
  for await (const [a, , ...b] of []) { label: while (true) break label; }
  const { c = /x/g, ...d } = { "k": null, [\`t\${1}\`]: async function* () { yield* []; } };
  await sql\`delete from a where n = \${c ?? (d, 1) ** 2}\`;
} });
`,
  );
  expect(await checksum()).toBe(
    "sha256:a96f47c62e5387cdeec88d83dac031a31e8a527b413478c1f13b47bfebf02d39",
  );
});

test("a migration without code keeps the checksum that it had", async () => {
  const before = await loadHistory(folder.dir);
  await write(SOURCE);
  const after = await loadHistory(folder.dir);
  expect(after.migrations[1]?.checksum).toBe(before.migrations[1]?.checksum);
  expect(after.migrations[0]?.checksum).not.toBe(before.migrations[0]?.checksum);
  expect(after.migrations[0]?.code?.sqlChecksum).toBe(before.migrations[0]?.checksum);
  expect(after.head).not.toBe(before.head);
});

test("an edit after it ran is CHANGED, and the error names which file", async () => {
  await write(SOURCE);
  await migrator().migrate();
  const fact = async () => {
    const { migrations, problems } = await migrator().status();
    expect(migrations.flatMap(({ flags }) => flags)).toEqual(problems.map(() => "CHANGED"));
    return problems.map(
      (problem) => problem.fact.replaceAll(`${folder.dir}/`, "").split(" after it")[0],
    );
  };
  await write(`// more\n${SOURCE}`);
  expect(await fact()).toEqual([]);
  await write(SOURCE.replace("add(1", "add(5"));
  expect(await fact()).toEqual(["0000_a.ts was edited"]);
  await expect(migrator().migrate()).rejects.toMatchObject({ code: "checksum_mismatch" });
  await folder.write(TAG, "create table a (n bigint);");
  expect(await fact()).toEqual(["0000_a.sql and 0000_a.ts were edited"]);
  await write(SOURCE);
  expect(await fact()).toEqual(["0000_a.sql was edited"]);
  await folder.write(TAG, "create table a (n integer);");
  expect(await fact()).toEqual([]);
  await rm(join(folder.dir, `${TAG}.ts`));
  expect(await fact()).toEqual(["The code step of 0000_a was removed"]);
  await write(SOURCE);
  await writeStep(folder.dir, "0001_b", stepText(""));
  expect(await fact()).toEqual(["0001_b.ts was added"]);
});

test("an unfinished step may be edited, and its SQL only after what is committed", async () => {
  await writeStep(folder.dir, TAG, stepText("    throw new Error('not yet');"));
  await expect(migrator().migrate()).rejects.toMatchObject({ code: "migration_failed" });
  await folder.write(TAG, "create table a (n bigint);");
  await write(SOURCE);
  await expect(migrator().migrate()).rejects.toMatchObject({ code: "checksum_mismatch" });
  await folder.write(TAG, "create table a (n integer);\ncreate table later (n integer);");
  expect(await migrator().migrate()).toMatchObject({ outcome: "applied" });
  expect(await database.sql`select n from a, (select count(*) from later) later`).toEqual([
    { n: 3 },
  ]);
});

test("tidemark.sum has a line for the code", async () => {
  await write(SOURCE);
  await writeSumFile(folder.dir);
  const sum = await readFile(join(folder.dir, "tidemark.sum"), "utf8");
  expect(sum.split("\n").map((line) => line.split(" ")[0])).toEqual([
    expect.stringContaining("sha256:"),
    "0000_a.sql",
    "0000_a.ts",
    "0001_b.sql",
    "",
  ]);
  await write(`// fine\n${SOURCE}`);
  await rename(join(folder.dir, `${TAG}.ts`), join(folder.dir, `${TAG}.mts`));
  expect(await checksum()).toBeDefined();
  await rm(join(folder.dir, `${TAG}.mts`));
  await expect(loadHistory(folder.dir)).rejects.toMatchObject({
    code: "history_invalid",
    message: expect.stringContaining("0000_a.ts is listed but not in the history"),
  });
  await expect(write(SOURCE.replace("1, 2", "1, 1"))).rejects.toMatchObject({
    message: expect.stringMatching(/0000_a\.ts was sha256:\w+ and is sha256:/),
  });
});

test("in the layout of 1.x the code lies in the migration's folder, as step.ts", async () => {
  const tag = "20250101000000_a";
  await rm(join(folder.dir, "meta"), { recursive: true });
  await mkdir(join(folder.dir, tag));
  await writeFile(join(folder.dir, tag, "migration.sql"), "create table a (n integer);");
  await writeFile(
    join(folder.dir, tag, "step.ts"),
    stepText("    await ctx.sql`insert into a values (7)`;"),
  );
  expect(await migrator().migrate()).toMatchObject({ applied: [{ tag }] });
  expect(await database.sql`select n from a`).toEqual([{ n: 7 }]);
  await writeSumFile(folder.dir);
  expect(await readFile(join(folder.dir, "tidemark.sum"), "utf8")).toContain(
    `\n${tag}/step.ts sha256:`,
  );
});

test.each([
  [
    "a syntax error",
    `${IMPORT}\nexport default defineStep({\n  run: async (ctx) => { const x = ; },\n});\n`,
    /0000_a\.ts:3:35: syntax error: Unexpected token\n\n1 \|/,
  ],
  [
    "a relative import that is not there",
    `import { x } from "./gone.ts";\n`,
    /0000_a\.ts:1:19: imports \.\/gone\.ts, which does not exist/,
  ],
])("%s is refused with its place, before anything runs", async (_name, text, message) => {
  await writeStep(folder.dir, TAG, text);
  await expect(migrator().migrate()).rejects.toMatchObject({
    code: "history_invalid",
    outcome: "nothing-run",
    message: expect.stringMatching(message),
    place: { line: expect.any(Number), column: expect.any(Number) },
  });
  expect(await database.sql`select to_regclass('tidemark.runner') as runner`).toEqual([
    { runner: null },
  ]);
});

test("two files of code for one migration are refused", async () => {
  await writeStep(folder.dir, TAG, SOURCE, ".mts");
  await expect(write(SOURCE)).rejects.toMatchObject({
    code: "history_invalid",
    message: expect.stringContaining(
      "more than one file of code for 0000_a: 0000_a.ts, 0000_a.mts",
    ),
  });
});

test("a compiled file counts as its source, and an edited one is refused", async () => {
  const first = await write(SOURCE);
  const body = "export default 1;\n";
  await rm(join(folder.dir, `${TAG}.ts`));
  const text = compiledText({ checksum: first ?? "sha256:" }, body);
  await writeStep(folder.dir, TAG, text, ".mjs");
  expect(await checksum()).toBe(first);
  await writeStep(folder.dir, TAG, text.replace("default 1", "default 2"), ".mjs");
  await expect(checksum()).rejects.toMatchObject({
    code: "history_invalid",
    fact: expect.stringContaining("was compiled by Tidemark and edited since"),
  });
});

test("a file named like a step that belongs to no migration is warned of, a schema beside a step is not", async () => {
  await write(SOURCE);
  await writeStep(folder.dir, "0000_a.schema", "export {};");
  await writeStep(folder.dir, "0009_gone", SOURCE);
  expect((await loadHistory(folder.dir)).warnings).toEqual([
    {
      kind: "stray-file",
      message: "0009_gone.ts has no entry in meta/_journal.json and is not run.",
    },
  ]);
});
