import { oneLine, plural } from "../db/base/text.ts";
import { type DerivedDown, deriveDraftDown, downPathOf, type Untried } from "../db/down/index.ts";
import {
  assumptionText,
  type Draft,
  type DraftedMigration,
  draftMigration,
  type KeptMigration,
  nameText,
  parseRenames,
  type Question,
  type RenameFlags,
  renamesFor,
  renameText,
  unansweredError,
} from "../db/kit/index.ts";
import { downFileOf, errorJson, MigrateError } from "../db/migrate/index.ts";
import { errorText, reporting } from "./support/command.ts";
import { requireDrizzleConfig } from "./support/drizzle-config.ts";
import type { Output } from "./support/output.ts";
import { readProject } from "./support/project-config.ts";
import { type ScratchFlags, scratchOf } from "./support/scratch.ts";
import type { CommonFlags } from "./support/settings.ts";
import { downLine, sumText } from "./support/written.ts";

interface GenerateFlags extends CommonFlags, ScratchFlags {
  /** False with `--no-down`. */
  readonly down?: boolean;
  readonly custom?: boolean;
  readonly rename?: readonly string[];
  readonly renameTable?: readonly string[];
  readonly renameSchema?: readonly string[];
  readonly renameEnum?: readonly string[];
  readonly renameSequence?: readonly string[];
  readonly renameView?: readonly string[];
  readonly renamePolicy?: readonly string[];
  readonly renameRole?: readonly string[];
  /** False with `--no-renames`. */
  readonly renames?: boolean;
}

/** How many statements are shown, and how much of each. */
const SHOWN = 8;
const SHOWN_WIDTH = 90;

/** `tidemark generate`: drizzle-kit writes the next migration; Tidemark checks and keeps it. */
export function runGenerate(name: string | undefined, flags: GenerateFlags): Promise<number> {
  return reporting(flags, async (output, { signal }) => {
    const custom = flags.custom ?? false;
    const answers = {
      renames: readRenames(flags),
      others: flags.renames === false ? "drop-and-add" : "ask",
    } as const;
    const cwd = process.cwd();
    const config = requireDrizzleConfig(cwd, flags.config);
    const project = await readProject({ config }, "folder");
    const { dir, warnings } = project;
    for (const warning of warnings) output.error(`warning: ${warning}`);
    const terminal = terminalFor(output);
    const draft = await draftMigration({
      ...{ cwd, config, dir, custom, answers, signal },
      ...(name !== undefined && { name }),
      ...(terminal !== undefined && { terminal }),
    });
    if (draft.kind === "unanswered") return fail(draft.questions, output);
    if (draft.kind === "nothing") {
      output.json(draftJson(draft));
      output.print(nothingText(draft.newest, dir));
      return 0;
    }
    const down =
      custom || flags.down === false
        ? undefined
        : await deriveDraftDown({ dir, draft, signal, ...scratchOf(flags, project, output) });
    const path = downFileOf(draft.tag, draft.layout);
    const sum = await draft.keep(
      down?.kind === "proven" || down?.kind === "irreversible" ? [{ path, text: down.text }] : [],
    );
    output.json(draftJson(draft, sum, down));
    for (const warning of draft.warnings) output.note(`warning: ${warning}.`);
    for (const assumption of draft.assumed) {
      output.error(output.errorColors.yellow(`warning: ${assumptionText(assumption)}`));
    }
    output.print(draftText(draft, flags));
    if (down !== undefined) printDown(down, draft, output);
    output.print(sumText(sum));
    output.note(nextText(draft, flags));
    return 0;
  });
}

function printDown(
  down: DerivedDown | Untried,
  { file, tag }: DraftedMigration,
  output: Output,
): void {
  if (down.kind === "untried") {
    output.error(output.errorColors.yellow(`warning: ${file} has no down file: ${down.reason}`));
    output.error(
      `If your database has something that the scratch server lacks (an extension, an object made by hand), name a server that has it: \`tidemark down-file ${tag} --scratch-url <url>\`. Otherwise correct the migration before you apply it.`,
    );
    return;
  }
  output.print(downLine({ ...down, file: downPathOf({ file }), outcome: "written" }, output));
}

function nextText({ file, tag }: DraftedMigration, { custom, down }: GenerateFlags): string {
  if (!custom) return `Next: read ${file}, then run \`tidemark migrate\`.`;
  const write = "Next: write your SQL into the new file, then run";
  return down === false
    ? `${write} \`tidemark sum\`.`
    : `${write} \`tidemark down-file ${tag}\` (writes the down file and the sum) or \`tidemark sum\`.`;
}

function readRenames(flags: GenerateFlags) {
  const byKind: RenameFlags = {
    column: flags.rename,
    table: flags.renameTable,
    schema: flags.renameSchema,
    enum: flags.renameEnum,
    sequence: flags.renameSequence,
    view: flags.renameView,
    policy: flags.renamePolicy,
    role: flags.renameRole,
  };
  const problems: string[] = [];
  const renames = parseRenames(byKind, problems);
  if (problems.length === 0) return renames;
  throw new MigrateError({
    code: "usage",
    fact: `${problems.join(";\n")}.`,
    outcome: "nothing-run",
    remedy: "Quote names with dots or special characters as in SQL: '\"odd.table\".x=y'.",
  });
}

/** Where drizzle-kit may ask: never on the stream of the JSON object. */
function terminalFor({ mode }: Output): 1 | 2 | undefined {
  const { stdin, stdout, stderr } = process;
  if (!stdin.isTTY) return undefined;
  if (stderr.isTTY) return 2;
  return stdout.isTTY && mode === "text" ? 1 : undefined;
}

function fail(questions: readonly Question[], output: Output): number {
  const error = unansweredError(questions);
  const list = questions.map((question) => ({
    kind: question.kind,
    added: nameText(question.created),
    renames: renamesFor(question).map((rename) => ({
      from: nameText(rename.from),
      option: renameText(rename),
    })),
  }));
  output.json({ ...errorJson(error), questions: list });
  output.error(errorText(error, output));
  return error.exitCode;
}

function nothingText(newest: string | undefined, dir: string): string {
  return newest === undefined
    ? "Nothing to generate: the schema is empty."
    : `Nothing to generate: the schema matches ${dir}/${newest}.`;
}

function draftText({ file, statements }: DraftedMigration, { custom }: GenerateFlags): string {
  if (custom) return `Generated ${file}, for your own SQL.`;
  const count = statements.length;
  const shown = statements.slice(0, SHOWN);
  const lines = shown.map((statement) => `  ${oneLine(statement, SHOWN_WIDTH)}`);
  const more = count > SHOWN ? [`  … and ${count - SHOWN} more`] : [];
  const head = `Generated ${file} (${plural(count, "statement")}):`;
  return [head, ...lines, ...more].join("\n");
}

function draftJson(
  draft: Exclude<Draft, { kind: "unanswered" }>,
  sum?: KeptMigration,
  down?: DerivedDown | Untried,
) {
  if (draft.kind === "nothing") {
    const empty = { statements: 0, renamed: [], assumed: [], warnings: [], down: null, sum: null };
    return { outcome: "nothing", tag: draft.newest ?? null, file: null, ...empty };
  }
  return {
    outcome: "generated",
    tag: draft.tag,
    file: draft.file,
    statements: draft.statements.length,
    renamed: draft.renamed.map(({ kind, from, to }) => ({
      kind,
      from: nameText(from),
      to: nameText(to),
    })),
    assumed: draft.assumed.map(({ kind, dropped, added }) => ({
      kind,
      dropped: dropped.map(nameText),
      added: added.map(nameText),
    })),
    warnings: draft.warnings,
    down: down === undefined ? null : downJson(down),
    sum: sum ?? null,
  };
}

function downJson(down: DerivedDown | Untried) {
  if (down.kind === "untried") return down;
  const { kind, loses, reason = null } = down;
  return { kind, loses, reason };
}
