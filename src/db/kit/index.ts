import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { readText } from "../base/files.ts";
import {
  checksumOf,
  copyRepeatables,
  MigrateError,
  parseMigration,
  sqlFileOf,
  withParts,
  writeSumFile,
} from "../migrate/index.ts";
import { createAnswering } from "./answers.ts";
import { checkWritten, type Written } from "./check.ts";
import { checkWrittenFolder } from "./check-1x.ts";
import { copyKitFolder, layoutAt, readKitFolder } from "./folder.ts";
import { checkName } from "./full-names.ts";
import { JOURNAL, type KitFolder, SUM } from "./kit-folder.ts";
import { locateKit, refuseOtherLayout } from "./locate.ts";
import type {
  Draft,
  DraftedMigration,
  DraftOptions,
  FolderFile,
  KeptMigration,
  KitProject,
} from "./model.ts";
import { keepFiles } from "./put.ts";
import { keepFolder } from "./put-1x.ts";
import { refuseUnusedRenames } from "./questions.ts";
import { exportByFunctions, generateByFunctions } from "./run-1x.ts";
import { canceled } from "./run-errors.ts";
import { runGenerate } from "./run-generate.ts";
import { schemaAt } from "./snapshot-states.ts";
import { undeclaredWarnings } from "./undeclared.ts";

export { reorderedEnums } from "./enum-order.ts";
export { nameText } from "./full-names.ts";
export type {
  Answers,
  Assumption,
  Draft,
  DraftedMigration,
  DraftOptions,
  FolderFile,
  FullName,
  KeptMigration,
  KitProject,
  Question,
  Rename,
  RenameKind,
  ReorderedEnum,
} from "./model.ts";
export { assumptionText, unansweredError } from "./questions.ts";
export { parseRenames, type RenameFlags, renamesFor, renameText } from "./renames.ts";

/**
 * Lets the project's drizzle-kit write its next migration into a copy of the folder, and checks the
 * result. The folder itself is not touched before `keep()`.
 *
 * @throws MigrateError `config` (the configuration, the schema files, drizzle-kit's version, what
 *   drizzle-kit says), `usage` (the name, a rename that answers nothing), `history_invalid`,
 *   `missing_file` (the folder), `unsupported_statement`, `canceled`
 */
export async function draftMigration(options: DraftOptions): Promise<Draft> {
  const { cwd, dir, name, custom = false, answers, sumFile, signal, enumOrder } = options;
  checkName(name);
  const kit = await locateKit(cwd);
  const layout = (await layoutAt(resolve(cwd, dir))) ?? kit.layout;
  refuseOtherLayout(kit, dir, layout);
  const folder = await readKitFolder(cwd, dir, sumFile, layout);
  // drizzle-kit 1.x has no prompts of its own where it answers with hints.
  const terminal = layout === "0.x" ? options.terminal : undefined;
  return withScratch(async (scratch) => {
    const copy = join(scratch, "out");
    const stamps = await copyKitFolder(folder, copy, enumOrder);
    const answering = createAnswering(answers, { canPrompt: terminal !== undefined });
    const run = { kit, project: options, dir, scratch, answering };
    const changes =
      layout === "0.x"
        ? await runGenerate({ ...run, terminal, args: argumentsOf(name, custom) })
        : await changesOf1x({ ...run, name, custom });
    refuseUnusedRenames(answering);
    const questions = answering.open();
    if (questions.length > 0) return { kind: "unanswered", questions, statements: changes };
    if (signal?.aborted) throw canceled();
    if (!custom && changes.length === 0)
      return { kind: "nothing", newest: folder.entries.at(-1)?.tag };
    const check = layout === "0.x" ? checkWritten : checkWrittenFolder;
    const written = await check(folder, copy, stamps);
    const { tag, sql, schema: after } = written;
    const file = join(dir, sqlFileOf(tag, layout));
    const statements = await parseMigration({ tag, file, sql }).catch((error: unknown) => {
      throw unrunnable(error);
    });
    const { ends, snapshots } = folder;
    const before = ends.length === 0 ? undefined : schemaAt(ends, snapshots);
    const undeclared = await undeclaredWarnings({
      ...{ before, after },
      trees: statements.map(({ tree }) => tree),
      files: folder.entries.map((entry) => join(folder.path, sqlFileOf(entry.tag, layout))),
    });
    if (written.journal !== undefined) await writeFile(join(copy, JOURNAL), written.journal);
    // The sum covers them, and drizzle-kit does not know them.
    await copyRepeatables(folder.path, copy);
    const sum = await writeSumFile(copy);
    const sumText = await readText(join(copy, SUM));
    return {
      ...{ kind: "drafted", tag, layout, file, sql },
      statements: statements.map(({ text }) => text),
      renamed: answering.used(),
      assumed: answering.assumed(),
      warnings: [...folder.warnings, ...written.warnings, ...undeclared],
      schemas: { before, after },
      comparedWith: ends[0]?.path,
      withoutSnapshot: folder.withoutSnapshot,
      keep: keeper(folder, written, { ...sum, text: sumText }),
    };
  });
}

function argumentsOf(name: string | undefined, custom: boolean): readonly string[] {
  return [...(name === undefined ? [] : [`--name=${name}`]), ...(custom ? ["--custom"] : [])];
}

async function changesOf1x(call: Parameters<typeof generateByFunctions>[0]) {
  const written = await generateByFunctions(call);
  if (written === undefined) return [];
  const tag = basename(dirname(written));
  const file = join(call.dir, sqlFileOf(tag, "1.x"));
  const sql = await readText(written);
  const statements = await parseMigration({ tag, file, sql }).catch((error: unknown) => {
    throw unrunnable(error);
  });
  return statements.map(({ text }) => text);
}

/**
 * The statements that make the project's schema in an empty database, as drizzle-kit has them.
 *
 * @throws MigrateError as `draftMigration`
 */
export async function exportSchema(project: KitProject): Promise<readonly string[]> {
  const kit = await locateKit(project.cwd);
  return withScratch(async (scratch) => {
    const run = { kit, project, dir: "drizzle", scratch };
    if (kit.layout === "1.x") return exportByFunctions(run);
    // In an empty folder there is nothing that could have been renamed.
    const answering = createAnswering({ renames: [], others: "ask" }, { canPrompt: false });
    return runGenerate({ ...run, args: [], answering });
  });
}

function keeper(
  folder: KitFolder,
  { tag, sql, snapshot, snapshotText, journal }: Written,
  sum: KeptMigration & { readonly text: string },
): DraftedMigration["keep"] {
  return async (also: readonly FolderFile[] = []) => {
    const added = [
      { path: sqlFileOf(tag, folder.layout), text: sql },
      ...also,
      { path: snapshot.path, text: snapshotText },
    ];
    // The migration is the last of the history, and so are its lines.
    const lines = also.map((file) => `${file.path} ${checksumOf(file.text)}\n`);
    const sumText = `${sum.text}${lines.join("")}`;
    if (journal === undefined) await keepFolder(folder, { tag, added, sum: sumText });
    else await keepFiles(folder, { added, journal, sum: sumText });
    return { file: join(folder.dir, SUM), head: sum.head, migrations: sum.migrations };
  };
}

function unrunnable(error: unknown): unknown {
  if (!(error instanceof MigrateError)) return error;
  const fact = `drizzle-kit has written SQL that cannot be run: ${error.fact}`;
  // The file that the place is in is not kept.
  return withParts(error, { fact, outcome: "nothing-written", place: undefined });
}

async function withScratch<T>(work: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(join(tmpdir(), "tidemark-kit-"));
  try {
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
