import {
  type DraftOptions,
  draftMigration,
  exportSchema,
  nameText,
  type Question,
  type ReorderedEnum,
  reorderedEnums,
  unansweredError,
  withOrderOf,
} from "../kit/index.ts";
import { MigrateError } from "../migrate/index.ts";
import type { Project } from "./base-project.ts";
import type { Finding, Outcome } from "./types.ts";

/** What drizzle-kit, let loose on a copy of the folder, would still write. */
export interface Pending {
  /** Why it goes on from no snapshot there; what else it says is not known then. */
  readonly refusal: MigrateError | undefined;
  /** What may be a rename, and is taken for none in the statements. */
  readonly questions: readonly Question[];
  readonly statements: readonly string[];
  /** Those that are left where each enum has the order of the newest snapshot. */
  readonly changes: readonly string[];
  readonly reordered: readonly ReorderedEnum[];
}

const NONE: Pending = {
  refusal: undefined,
  questions: [],
  statements: [],
  changes: [],
  reordered: [],
};

/** @throws MigrateError `config`, `canceled`, … */
export async function readPending(
  { cwd, config, dir }: Project,
  signal: AbortSignal | undefined,
): Promise<Pending> {
  const options: DraftOptions = {
    ...{ cwd, dir, answers: { renames: [], others: "ask" }, sumFile: "ignore" },
    ...(config !== undefined && { config }),
    ...(signal !== undefined && { signal }),
  };
  try {
    return await pendingOf(options);
  } catch (error) {
    if (!(error instanceof MigrateError) || !OF_THE_FOLDER.has(error.code)) throw error;
    return { ...NONE, refusal: error };
  }
}

const OF_THE_FOLDER: ReadonlySet<string> = new Set(["history_invalid", "missing_file"]);

async function pendingOf(options: DraftOptions): Promise<Pending> {
  const draft = await draftMigration(options);
  if (draft.kind === "nothing") return NONE;
  const { statements } = draft;
  if (draft.kind === "unanswered") {
    return { ...NONE, questions: draft.questions, statements, changes: statements };
  }
  const { before, after } = draft.snapshots;
  const reordered = reorderedEnums(before, after);
  if (before === undefined || reordered.length === 0) {
    return { ...NONE, statements, changes: statements };
  }
  // For another order drizzle-kit drops the type and makes it anew.
  const rest = await draftMigration({ ...options, newestAs: withOrderOf(before, after) });
  const changes = rest.kind === "nothing" ? [] : rest.statements;
  return { ...NONE, statements, changes, reordered };
}

/** Nothing is left to generate. */
export function checkPending(pending: Pending, base?: BasePending): Outcome {
  const { refusal } = pending;
  if (refusal !== undefined) return { findings: [refused(refusal, base)] };
  const isKnown = isAtBase(base);
  const questions = pending.questions.filter((question) => !isKnown(question));
  const changes = pending.changes.filter((statement) => !isKnown(statement));
  const known = pending.changes.filter(isKnown);
  const findings: Finding[] = [];
  if (questions.length > 0) {
    const fact = `The Drizzle schema has changes that no migration has. ${unansweredError(questions).fact}`;
    findings.push({ level: "error", fact, remedy: GENERATE });
  } else if (changes.length > 0) {
    const fact = `The Drizzle schema has changes that no migration has: ${listed(changes)}`;
    findings.push({ level: "error", fact, remedy: GENERATE });
  }
  if (base !== undefined && known.length > 0) {
    const fact = `${base.ref} has changes in its Drizzle schema that no migration has: ${listed(known)}`;
    const remedy = "This branch did not add them. The next `tidemark generate` writes them too.";
    findings.push({ level: "warning", fact, remedy });
  }
  return { findings: [...findings, ...pending.reordered.map(inAnotherOrder)] };
}

/** The same of the project as the base has it. */
export interface BasePending {
  readonly ref: string;
  readonly pending: Pending;
}

function isAtBase(base: BasePending | undefined): (what: string | Question) => boolean {
  const { changes = [], questions = [] } = base?.pending ?? {};
  const keys = new Set([...changes, ...questions].map((what) => JSON.stringify(what)));
  return (what) => keys.has(JSON.stringify(what));
}

function refused({ fact, remedy }: MigrateError, base: BasePending | undefined): Finding {
  const isKnown = base?.pending.refusal?.fact === fact;
  return {
    level: isKnown ? "warning" : "error",
    fact,
    remedy,
  };
}

const GENERATE = "`tidemark generate` writes the migration; commit what it writes.";

function inAnotherOrder({ name, values, wanted }: ReorderedEnum): Finding {
  const list = (texts: readonly string[]) => texts.join(", ");
  return {
    level: "warning",
    fact: `The Drizzle schema has the values of the enum ${nameText(name)} in a different order than the newest snapshot: ${list(wanted)} instead of ${list(values)}.`,
    remedy:
      "Harmless unless you sort or compare by it. List them in the snapshot's order again: otherwise the next migration drops and recreates the type, and rewrites each table that uses it.",
  };
}

/** The statements that make the Drizzle schema. @throws MigrateError */
export function schemaStatements(
  { cwd, config }: Project,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  return exportSchema({
    cwd,
    ...(config !== undefined && { config }),
    ...(signal !== undefined && { signal }),
  });
}

function listed([first = "", ...more]: readonly string[]): string {
  return `${oneLine(first)}${more.length === 0 ? "" : ` (and ${more.length} more)`}`;
}

function oneLine(sql: string): string {
  const text = sql.replaceAll(/\s+/g, " ").trim();
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}
