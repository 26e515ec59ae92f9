import { sameName } from "./full-names.ts";
import type { Answers, Assumption, FullName, Question, Rename, RenameKind } from "./model.ts";

/** The place among drizzle-kit's choices (0: it is new), or to ask a person. */
export type Answer = number | "prompt";

export type Answering = ReturnType<typeof createAnswering>;

/**
 * Answers drizzle-kit's questions as they come: from the given renames, else from a person, else as
 * new, so that one run asks everything that can be asked.
 */
export function createAnswering(
  { renames, others }: Answers,
  { canPrompt }: { readonly canPrompt: boolean },
) {
  const used: Rename[] = [];
  const needed = new Set<Rename>();
  const asked: Question[] = [];
  const open: Question[] = [];
  const assumed: Question[] = [];
  return {
    answer: (question: Question): Answer => {
      asked.push(question);
      const { kind, created, candidates } = question;
      const fitting = renames.filter((rename) => rename.kind === kind);
      for (const rename of fitting) {
        const at = candidates.findIndex((name) => isAbout(rename, renames, name, created));
        const from = candidates[at];
        if (from === undefined) continue;
        needed.add(rename);
        used.push({ kind, from, to: created });
        return at + 1;
      }
      // What another rename claims is no choice here.
      const free = candidates.filter(
        (name) => !fitting.some((rename) => isFrom(rename, renames, name)),
      );
      if (free.length === 0) return 0;
      if (others === "drop-and-add") assumed.push({ kind, created, candidates: free });
      else if (canPrompt) return "prompt";
      else open.push({ kind, created, candidates: free });
      return 0;
    },
    /** What a person chose for the last question. */
    prompted: (choice: number): void => {
      const question = asked.at(-1);
      const from = question?.candidates[choice - 1];
      if (question === undefined || from === undefined) return;
      used.push({ kind: question.kind, from, to: question.created });
    },
    /** Renames that were given and asked about, or chosen; with drizzle-kit's names. */
    used: (): readonly Rename[] => used,
    /** Renames that answered nothing. */
    unused: (): readonly Rename[] => renames.filter((rename) => !needed.has(rename)),
    /** All questions. */
    asked: (): readonly Question[] => asked,
    /** Questions that nobody answered. */
    open: () => withoutWhatFollows(open),
    /** What was dropped and added because no rename said otherwise. */
    assumed: () => groupByKind(assumed),
  };
}

/** drizzle-kit asks about a renamed table by its old name, and about its columns by the new one: both count. */
function spellings(
  name: FullName,
  kind: RenameKind,
  renames: readonly Rename[],
): readonly FullName[] {
  if (name.length < 2) return [name];
  const [schema = "", ...rest] = name;
  const moved = renames.find(({ kind, from }) => kind === "schema" && from[0] === schema)?.to[0];
  const bySchema = moved === undefined ? [name] : [name, [moved, ...rest]];
  if (kind !== "column" && kind !== "policy") return bySchema;
  return bySchema.flatMap((spelling) => {
    const table = renames.find(
      (rename) => rename.kind === "table" && sameName(rename.from, spelling.slice(0, 2)),
    );
    return table === undefined ? [spelling] : [spelling, [...table.to, ...spelling.slice(2)]];
  });
}

function isFrom(rename: Rename, renames: readonly Rename[], name: FullName): boolean {
  return spellings(rename.from, rename.kind, renames).some((spelling) => sameName(spelling, name));
}

function isAbout(
  rename: Rename,
  renames: readonly Rename[],
  from: FullName,
  to: FullName,
): boolean {
  return (
    isFrom(rename, renames, from) &&
    spellings(rename.to, rename.kind, renames).some((spelling) => sameName(spelling, to))
  );
}

/** Renaming a schema also answers for what lies in it. */
function withoutWhatFollows(open: readonly Question[]): readonly Question[] {
  const schemas = open.filter(({ kind }) => kind === "schema");
  const isNew = (name: FullName) => schemas.some(({ created }) => created[0] === name[0]);
  const isGone = (name: FullName) =>
    schemas.some(({ candidates }) => candidates.some(([schema]) => schema === name[0]));
  return open.flatMap((question) => {
    const { kind, created, candidates } = question;
    if (kind === "schema" || created.length < 2) return [question];
    const left = candidates.filter((name) => !isGone(name));
    return isNew(created) || left.length === 0 ? [] : [{ ...question, candidates: left }];
  });
}

function groupByKind(questions: readonly Question[]): readonly Assumption[] {
  const kinds = new Map<RenameKind, { dropped: FullName[]; added: FullName[] }>();
  for (const { kind, created, candidates } of questions) {
    const { dropped, added } = kinds.get(kind) ?? { dropped: [], added: [] };
    kinds.set(kind, { dropped, added });
    added.push(created);
    for (const name of candidates) {
      if (!dropped.some((other) => sameName(other, name))) dropped.push(name);
    }
  }
  return [...kinds].map(([kind, group]) => ({ kind, ...group }));
}
