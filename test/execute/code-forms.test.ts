import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, inject, test } from "vitest";
import { writeStep } from "../helpers/code-steps.ts";
import { useDatabase } from "../helpers/database.ts";
import { useHistory } from "../helpers/history.ts";
import { startRunner } from "../helpers/runner-process.ts";

const database = useDatabase();
const folder = useHistory();

/** A project that has the package, as users have it. */
async function install(): Promise<void> {
  const steps = new URL("../steps/index.js", inject("builtEngine")).href;
  const files = {
    "package.json": JSON.stringify({
      name: "tidemark",
      type: "module",
      exports: { "./steps": "./steps.js" },
    }),
    "steps.js": `export { defineStep } from ${JSON.stringify(steps)};\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder.dir, "node_modules/tidemark", name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}

const HELPERS = {
  "rows.ts": "export interface Row { n: number }\nexport const rows: Row[] = [{ n: 1 }];\n",
  "data.json": '[{ "n": 1 }]\n',
};

/** What a step says before its `rows`, an array of one. Node strips types from some of them, and refuses others. */
const FORMS: Readonly<Record<string, string>> = {
  plain: "const rows: { n: number }[] = [{ n: 1 }];",
  enumeration: "enum Kind { One = 1 }\nconst rows = [{ n: Kind.One }];",
  property: "class Row { constructor(readonly n: number) {} }\nconst rows = [new Row(1)];",
  "without an ending": 'import { rows } from "./rows";',
  "js for ts": 'import { rows } from "./rows.js";',
  "a type, told as one":
    'import { type Row, rows as all } from "./rows.ts";\nconst rows: Row[] = all;',
  "a type, not told": 'import { Row, rows as all } from "./rows.ts";\nconst rows: Row[] = all;',
  "a type of the package, not told":
    'import { Context } from "tidemark/steps";\nconst rows = [{ n: 1 } as { n: number; ctx?: Context }];',
  json: 'import rows from "./data.json";',
};

test("each form of TypeScript is loaded by each Node.js", async () => {
  const tags = Object.keys(FORMS).map((_, at) => `000${at + 1}_form`);
  await folder.make({
    "0000_a": "create table forms (form text);",
    ...Object.fromEntries(tags.map((tag) => [tag, ""])),
  });
  await install();
  for (const [name, text] of Object.entries(HELPERS)) await writeFile(join(folder.dir, name), text);
  for (const [at, [form, text]] of Object.entries(FORMS).entries()) {
    await writeStep(
      folder.dir,
      tags[at] as string,
      `import { defineStep } from "tidemark/steps";
${text}
export default defineStep({
  run: async (ctx) => {
    for (const row of rows) if (row.n === 1) await ctx.sql\`insert into forms values (\${${JSON.stringify(form)}})\`;
  },
});
`,
    );
  }
  const runner = await startRunner();
  runner.start({ options: { url: database.url, dir: folder.dir } });
  const { error } = await runner.end;
  expect(error?.message).toBeUndefined();
  const done = await database.sql<{ form: string }[]>`select form from forms`;
  expect(done.map(({ form }) => form)).toEqual(Object.keys(FORMS));
});
