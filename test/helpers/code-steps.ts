import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const STEPS = fileURLToPath(new URL("../../src/db/steps/index.ts", import.meta.url));

/** The first line of a step that lies in no project. */
export const IMPORT = `import { defineStep } from ${JSON.stringify(STEPS)};`;

/** The text of a step with this body of `run`. */
export function stepText(run: string, more = ""): string {
  return `${IMPORT}\n\nexport default defineStep({\n${more}  run: async (ctx) => {\n${run}\n  },\n});\n`;
}

/** Writes the code step of a migration. */
export async function writeStep(
  dir: string,
  tag: string,
  text: string,
  ending = ".ts",
): Promise<string> {
  const file = join(dir, `${tag}${ending}`);
  await writeFile(file, text);
  return file;
}
