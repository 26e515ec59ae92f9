import { placeOf, snippetOf } from "../../base/place.ts";
import { messageOf } from "../../base/problem.ts";
import { MigrateError } from "../errors.ts";
import type { CodeFile, Migration } from "../types.ts";
import { type Code, judgeCode } from "./judge-code.ts";
import { placeInStack } from "./stack.ts";

/** Code that was loaded and judged, and is to run. */
export interface LoadedCode {
  readonly file: CodeFile;
  readonly definition: Code;
}

/**
 * Loads the code of a migration that is to run, before anything does.
 *
 * @throws MigrateError `history_invalid`
 */
export async function loadCode({
  tag,
  code,
}: Pick<Migration, "tag" | "code">): Promise<LoadedCode | undefined> {
  if (code === undefined) return undefined;
  let exported: unknown;
  try {
    exported = await code.load();
  } catch (cause) {
    if (cause instanceof MigrateError) throw cause;
    const at = placeInStack(cause, code);
    const where = at === undefined ? "" : `:${at.place.line}:${at.place.column}`;
    const shown = at === undefined ? "" : `\n\n${snippetOf(code.text, at.offset)}\n`;
    throw new MigrateError({
      code: "history_invalid",
      tag,
      fact: `${code.file}${where} cannot be loaded: ${messageOf(cause)}${shown}`,
      outcome: "nothing-run",
      remedy: "Correct the file (what it imports must be installed), then run again.",
      place: { file: code.file, ...at?.place },
      cause,
    });
  }
  const definition = judgeCode(exported);
  if (definition.kind !== "bad") return { file: code, definition };
  throw new MigrateError({
    code: "history_invalid",
    tag,
    fact: `${code.file} ${definition.what}.`,
    outcome: "nothing-run",
    remedy:
      'Write `export default defineStep({ run: async (ctx) => { … } })`, with `import { defineStep } from "tidemark/steps"`. ' +
      "A file that is no code step must have another name than a migration.",
    place: {
      file: code.file,
      ...placeOf(code.text, Math.max(code.text.indexOf("export default"), 0)),
    },
  });
}
