import { oneLine } from "../base/text.ts";
import {
  type DraftOptions,
  draftMigration,
  nameText,
  type Question,
  type ReorderedEnum,
  reorderedEnums,
  unansweredError,
} from "../kit/index.ts";
import { MigrateError } from "../migrate/index.ts";
import type { Project } from "./base-project.ts";
import { errorFinding, type Finding, type Outcome } from "./findings.ts";

/** What drizzle-kit, run on a copy of the folder, would still write. */
export interface Pending {
  /** Why it cannot continue from the snapshots there; the rest is unknown then. */
  readonly refusal: MigrateError | undefined;
  /** Changes that may be renames; the statements treat them as none. */
  readonly questions: readonly Question[];
  readonly statements: readonly string[];
  /** Those that are left if each enum keeps the order of the newest snapshot. */
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
export async function readPending({ cwd, config, dir, signal }: Project): Promise<Pending> {
  const answers = { renames: [], others: "ask" } as const;
  try {
    return await pendingOf({ cwd, config, dir, signal, answers, sumFile: "ignore" });
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
  const { before, after } = draft.schemas;
  const reordered = before === undefined ? [] : reorderedEnums(before, after);
  if (before === undefined || reordered.length === 0) {
    return { ...NONE, statements, changes: statements };
  }
  // For another order drizzle-kit drops and recreates the type.
  const rest = await draftMigration({ ...options, enumOrder: reordered });
  const changes = rest.kind === "nothing" ? [] : rest.statements;
  return { ...NONE, statements, changes, reordered };
}

/** Nothing is left to generate. */
export function checkPending(pending: Pending, base?: BasePending): Outcome {
  const { refusal } = pending;
  if (refusal !== undefined) {
    const isKnown = base?.pending.refusal?.fact === refusal.fact;
    return { findings: [{ ...errorFinding(refusal), level: isKnown ? "warning" : "error" }] };
  }
  const isKnown = isAtBase(base);
  const questions = pending.questions.filter((question) => !isKnown(question));
  const changes = pending.changes.filter((statement) => !isKnown(statement));
  const known = pending.changes.filter(isKnown);
  const findings: Finding[] = [];
  if (questions.length > 0) {
    const fact = `The Drizzle schema has changes that no migration has. ${unansweredError(questions).fact}`;
    findings.push({ level: "error", fact, remedy: GENERATE });
  } else if (changes.length > 0) {
    const fact = `The Drizzle schema has changes that no migration has: ${firstOf(changes)}`;
    findings.push({ level: "error", fact, remedy: GENERATE });
  }
  if (base !== undefined && known.length > 0) {
    const fact = `${base.ref} has changes in its Drizzle schema that no migration has: ${firstOf(known)}`;
    const remedy = "This branch did not add them. The next `tidemark generate` writes them too.";
    findings.push({ level: "warning", fact, remedy });
  }
  return { findings: [...findings, ...pending.reordered.map(inAnotherOrder)] };
}

/** What is pending in the project as the base has it. */
interface BasePending {
  readonly ref: string;
  readonly pending: Pending;
}

function isAtBase(base: BasePending | undefined): (what: string | Question) => boolean {
  const { changes = [], questions = [] } = base?.pending ?? {};
  const keys = new Set([...changes, ...questions].map((what) => JSON.stringify(what)));
  return (what) => keys.has(JSON.stringify(what));
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

function firstOf([first = "", ...more]: readonly string[]): string {
  return `${oneLine(first, 120)}${more.length === 0 ? "" : ` (and ${more.length} more)`}`;
}
