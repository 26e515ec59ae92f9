import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  checksumOf,
  MigrateError,
  parseMigration,
  withParts,
  writeSumFile,
} from "../migrate/index.ts";
import { createAnswering } from "./answers.ts";
import { checkWritten, type Written } from "./check.ts";
import { copyKitFolder, JOURNAL, type KitFolder, readKitFolder, SUM } from "./folder.ts";
import { checkName } from "./full-names.ts";
import type {
  Draft,
  DraftedMigration,
  DraftOptions,
  FolderFile,
  KeptMigration,
  KitProject,
} from "./model.ts";
import { keepFiles } from "./put.ts";
import { refuseUnusedRenames } from "./questions.ts";
import { canceled, runGenerate } from "./run-generate.ts";
import { undeclaredWarnings } from "./undeclared.ts";

export { type ReorderedEnum, reorderedEnums, withOrderOf } from "./enum-order.ts";
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
  const { cwd, dir, name, custom = false, answers, sumFile, terminal, signal, newestAs } = options;
  checkName(name);
  const folder = await readKitFolder(cwd, dir, sumFile);
  return withScratch(async (scratch) => {
    const copy = join(scratch, "out");
    const stamps = await copyKitFolder(folder, copy, newestAs);
    const answering = createAnswering(answers, { canPrompt: terminal !== undefined });
    const changes = await runGenerate({
      project: options,
      dir,
      args: [...(name === undefined ? [] : [`--name=${name}`]), ...(custom ? ["--custom"] : [])],
      scratch,
      terminal,
      answering,
    });
    refuseUnusedRenames(answering);
    const questions = answering.open();
    if (questions.length > 0) return { kind: "unanswered", questions, statements: changes };
    if (signal?.aborted) throw canceled();
    if (!custom && changes.length === 0)
      return { kind: "nothing", newest: folder.entries.at(-1)?.tag };
    const written = await checkWritten(folder, copy, stamps);
    const { tag, sql, snapshot } = written;
    const file = join(dir, `${tag}.sql`);
    const statements = await parseMigration({ tag, file, sql }).catch((error: unknown) => {
      throw unrunnable(error);
    });
    const { newestSnapshot: before } = folder;
    const undeclared = await undeclaredWarnings({
      ...{ before, after: snapshot },
      trees: statements.map(({ tree }) => tree),
      files: folder.entries.map((entry) => join(folder.path, `${entry.tag}.sql`)),
    });
    await writeFile(join(copy, JOURNAL), written.journal);
    const sum = await writeSumFile(copy);
    const sumText = await readFile(join(copy, SUM), "utf8");
    return {
      ...{ kind: "drafted", tag, file, sql },
      statements: statements.map(({ text }) => text),
      renamed: answering.used(),
      assumed: answering.assumed(),
      warnings: [...folder.warnings, ...written.warnings, ...undeclared],
      snapshots: { before, after: snapshot },
      comparedWith: before?.path,
      withoutSnapshot: folder.withoutSnapshot,
      keep: keeper(folder, written, { ...sum, text: sumText }),
    };
  });
}

/**
 * The statements that make the project's schema in an empty database, as drizzle-kit has them.
 *
 * @throws MigrateError as `draftMigration`
 */
export async function exportSchema(project: KitProject): Promise<readonly string[]> {
  return withScratch(async (scratch) => {
    // In an empty folder there is nothing that could have been renamed.
    const answering = createAnswering({ renames: [], others: "ask" }, { canPrompt: false });
    return runGenerate({ project, dir: "drizzle", args: [], scratch, answering });
  });
}

function keeper(
  folder: KitFolder,
  { tag, sql, snapshot, snapshotText, journal }: Written,
  sum: KeptMigration & { readonly text: string },
): DraftedMigration["keep"] {
  return async (also: readonly FolderFile[] = []) => {
    const added = [
      { path: `${tag}.sql`, text: sql },
      ...also,
      { path: snapshot.path, text: snapshotText },
    ];
    // The migration is the last of the history, and so are its lines.
    const lines = also.map((file) => `${file.path} ${checksumOf(file.text)}\n`);
    await keepFiles(folder, { added, journal, sum: `${sum.text}${lines.join("")}` });
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
