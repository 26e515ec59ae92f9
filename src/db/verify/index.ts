import { exportSchema } from "../kit/index.ts";
import { checkFolderSum, loadHistory, MigrateError, readDownFiles } from "../migrate/index.ts";
import type { ScratchOptions } from "../scratch/index.ts";
import { checkOrder, checkUnedited, newTags } from "./base-checks.ts";
import { againstBase, type BaseLook, createBaseLook } from "./base-look.ts";
import type { Project } from "./base-project.ts";
import { underNamesOf } from "./converted.ts";
import { entriesOf } from "./entries.ts";
import { checkFiles } from "./files-check.ts";
import { errorFinding, isError, type Outcome, type VerifyReport } from "./findings.ts";
import { readBase, readFolder } from "./folder-state.ts";
import { createRunner, type OnCheck } from "./runner.ts";
import { checkPending, readPending } from "./schema-check.ts";
import { checkOnScratch } from "./scratch-checks.ts";
import { checkSql } from "./sql-check.ts";

export type { CheckResult, Finding, VerifyReport } from "./findings.ts";

export interface VerifyOptions extends Project {
  /** Branch or commit whose migrations may be applied somewhere. */
  readonly base?: string;
  readonly ledgerSchema: string;
  readonly scratch: ScratchOptions;
  /** Told of the progress of each check, and of its result. */
  readonly onCheck?: OnCheck;
}

/**
 * Checks everything that a schema change must keep. Every check runs, whatever the others find; none
 * changes the folder, or a database other than scratch ones.
 *
 * @throws MigrateError `config`, `connect`, `usage`, `canceled`: nothing could be looked at;
 * EmbeddedServerError
 */
export async function verifyProject(options: VerifyOptions): Promise<VerifyReport> {
  const start = performance.now();
  const { dir, base: ref, ledgerSchema, signal } = options;
  const runner = createRunner(options.onCheck, signal);
  const folder = await readFolder(dir);
  const base = ref === undefined ? undefined : await orMigrateError(readBase(dir, ref));
  const there = base instanceof MigrateError ? undefined : base;
  const known = there && underNamesOf(folder, there);
  const history = await orMigrateError(loadHistory(dir, { sumFile: "ignore" }));
  if (history instanceof MigrateError && history.code === "config") throw history;
  const readable = () => {
    if (history instanceof MigrateError) throw runner.blocked("the folder cannot be read");
    return history;
  };

  const look = there && createBaseLook(options, there);
  // drizzle-kit is a process of its own, and works beside the scratch server.
  const statements = exportSchema(options);
  const pending = readPending(options);
  const generated = runner.run("schema", async () => {
    const now = await pending;
    const again = async (there: BaseLook) =>
      checkPending(now, { ref: there.ref, pending: await there.pending() });
    return againstBase(checkPending(now), look, again, signal);
  });
  // Their rejections are handled where they are awaited.
  for (const promise of [statements, pending, generated]) promise.catch(() => undefined);
  await runner.run("files", async () => {
    const outcome = checkFiles(folder, there);
    // What the engine says of a folder that it cannot read, where nothing else was found.
    return outcome.findings.some(isError) ? outcome : withProblem(outcome, history);
  });
  await runner.run("sum", async () => {
    const isThere = await checkFolderSum(readable());
    return isThere
      ? { findings: [] }
      : { findings: [], detail: "there is none: `tidemark sum` writes it", skipped: true };
  });
  const listed = () => {
    if (entriesOf(folder) === undefined) throw runner.blocked("the journal cannot be read");
    return folder;
  };
  await runner.run("base", async () => withProblem(checkUnedited(listed(), known), base));
  await runner.run("order", async () => withProblem(checkOrder(listed(), known), base));
  await runner.run("sql", () => checkSql(readable(), newTags(folder, known)));
  try {
    await checkOnScratch({
      ...{ runner, folder, base: known, statements, pending, look, ledgerSchema, signal },
      history: history instanceof MigrateError ? undefined : history,
      downs: history instanceof MigrateError ? new Map() : await readDownFiles(history),
      scratch: options.scratch,
    });
    await generated;
  } finally {
    await generated.catch(() => undefined);
    await look?.close();
  }
  const checks = runner.results();
  return {
    ok: checks.every(({ status }) => status === "passed" || status === "skipped"),
    checks,
    durationMs: Math.round(performance.now() - start),
  };
}

async function orMigrateError<T>(work: Promise<T>): Promise<T | MigrateError> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof MigrateError) return error;
    throw error;
  }
}

/** The outcome, with the error where there was one instead of a result. */
function withProblem(outcome: Outcome, problem: unknown): Outcome {
  return problem instanceof MigrateError
    ? { ...outcome, findings: [...outcome.findings, errorFinding(problem)] }
    : outcome;
}
