import { checkFolderSum, loadHistory, MigrateError, readDownFiles } from "../migrate/index.ts";
import { type ScratchOptions, withScratchServer } from "../scratch/index.ts";
import { withReplay } from "../scratch/replay.ts";
import { checkOrder, checkUnedited, newTags } from "./base-checks.ts";
import { againstBase, type BaseLook, createBaseLook } from "./base-look.ts";
import { checkFiles } from "./files-check.ts";
import { type Base, readBase, readFolder } from "./folder.ts";
import { entriesOf } from "./journal.ts";
import { createRunner, type OnCheck } from "./runner.ts";
import { checkPending, type Pending, readPending, schemaStatements } from "./schema-check.ts";
import { checkOnScratch } from "./scratch-checks.ts";
import { checkSql } from "./sql-check.ts";
import type { Finding, Outcome, VerifyReport } from "./types.ts";

export type {
  CheckResult,
  Finding,
  VerifyReport,
} from "./types.ts";

export interface VerifyOptions {
  /** The project's folder: its drizzle-kit is run there. */
  readonly cwd: string;
  /** The drizzle configuration; drizzle-kit's default where it is left out. */
  readonly config?: string;
  /** Migrations folder. */
  readonly dir: string;
  /** Branch or commit whose migrations may be applied somewhere. */
  readonly base?: string;
  readonly ledgerSchema: string;
  readonly scratch: ScratchOptions;
  readonly signal?: AbortSignal;
  /** What is looked at now, and what came of it. */
  readonly onCheck?: OnCheck;
}

/**
 * Looks at all that a change of the schema must keep. Every check runs, whatever the others find; none
 * changes the folder or a database but scratch ones.
 *
 * @throws MigrateError `config`, `connect`, `usage`, `canceled`: nothing could be looked at;
 * EmbeddedServerError
 */
export async function verifyProject(options: VerifyOptions): Promise<VerifyReport> {
  const start = performance.now();
  const { dir, ledgerSchema, signal } = options;
  const runner = createRunner(options.onCheck, signal);
  const folder = await readFolder(dir);
  const base = await baseOf(options);
  const known = base instanceof MigrateError ? undefined : base;
  const history = await historyOf(dir);
  const readable = () => {
    if (history instanceof MigrateError) throw runner.blocked("the folder cannot be read");
    return history;
  };

  const look = known && createBaseLook(options, known, signal);
  // drizzle-kit is a process of its own, and works beside the scratch server.
  const statements = schemaStatements(options, signal);
  const pending = readPending(options, signal);
  const generated = runner.run("schema", () => checkSchema(pending, look, signal));
  // What they reject with is thrown where they are awaited.
  for (const promise of [statements, pending, generated]) promise.catch(() => undefined);
  await runner.run("files", async () => withHistoryProblem(checkFiles(folder, known), history));
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
  await runner.run("base", async () => withBaseProblem(checkUnedited(listed(), known), base));
  await runner.run("order", async () => withBaseProblem(checkOrder(listed(), known), base));
  await runner.run("sql", () => checkSql(readable(), newTags(folder, known)));
  try {
    await checkOnScratch({
      ...{ runner, folder, base: known, readable, statements, pending, look, ledgerSchema, signal },
      downs: history instanceof MigrateError ? new Map() : await readDownFiles(history),
      withReplays: (use) =>
        withScratchServer(options.scratch, (server) =>
          use(
            (migrations) => (replayed) =>
              withReplay({ server, migrations, ledgerSchema, signal }, replayed),
          ),
        ),
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

async function checkSchema(
  pending: Promise<Pending>,
  look: BaseLook | undefined,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const now = await pending;
  const again = async ({ ref, pending: atBase }: BaseLook) =>
    checkPending(now, { ref, pending: await atBase() });
  return againstBase(checkPending(now), look, again, signal);
}

async function historyOf(dir: string) {
  try {
    return await loadHistory(dir, { sumFile: "ignore" });
  } catch (error) {
    if (error instanceof MigrateError && error.code !== "config") return error;
    throw error;
  }
}

async function baseOf({ dir, base }: VerifyOptions): Promise<Base | MigrateError | undefined> {
  if (base === undefined) return undefined;
  try {
    return await readBase(dir, base);
  } catch (error) {
    if (error instanceof MigrateError) return error;
    throw error;
  }
}

/** What the engine says of a folder that it cannot read, where nothing else was found in it. */
function withHistoryProblem<T extends { readonly findings: readonly Finding[] }>(
  outcome: T,
  history: object,
): T {
  const isFound = outcome.findings.some(({ level }) => level === "error");
  return !(history instanceof MigrateError) || isFound
    ? outcome
    : { ...outcome, findings: [...outcome.findings, findingOf(history)] };
}

function withBaseProblem<T extends { readonly findings: readonly Finding[] }>(
  outcome: T,
  base: Base | MigrateError | undefined,
): T {
  return base instanceof MigrateError ? { ...outcome, findings: [findingOf(base)] } : outcome;
}

function findingOf({ fact, remedy }: MigrateError): Finding {
  return { level: "error", fact, remedy };
}
