import type { Node } from "libpg-query";
import type { BackfillDefinition } from "../code/backfill-definition.ts";
import type { LoadedCode } from "../code/load-code.ts";
import { MigrateError } from "../errors.ts";
import type { Tag } from "../types.ts";
import { loadParser, type Parser } from "./grammar.ts";
import { outsideOf } from "./non-transactional.ts";
import { refusalOf } from "./refuse.ts";

/**
 * Refuses a backfill whose SQL is more than its places hold, before anything runs.
 *
 * @throws MigrateError `history_invalid`
 */
export async function refuseBackfillSql(tag: Tag, { file, definition }: LoadedCode): Promise<void> {
  if (definition.kind !== "backfill") return;
  const problem = await problemOf(definition.backfill);
  if (problem === undefined) return;
  throw new MigrateError({
    code: "history_invalid",
    tag,
    fact: `${file.file} defines a backfill that ${problem}.`,
    outcome: "nothing-run",
    remedy: "Correct the file and run again.",
    place: { file: file.file },
  });
}

/**
 * What is wrong with a backfill's SQL, as the rest of a sentence: text that is more than what its place holds would
 * reach rows of other batches, and a statement that ends its transaction would part the rows from their checkpoint.
 * What the grammar does not read is left to the server.
 */
async function problemOf({
  set,
  where,
  finalize = [],
}: Pick<BackfillDefinition, "set" | "where" | "finalize">): Promise<string | undefined> {
  const parser = await loadParser();
  if (set !== undefined && isMoreThanSet(parser, set)) {
    return "has more in its `set` than the SET list of one UPDATE";
  }
  if (where !== undefined && isMoreThanCondition(parser, where)) {
    return "has more in its `where` than one condition";
  }
  const statements = typeof finalize === "string" ? [finalize] : finalize;
  for (const [i, text] of statements.entries()) {
    const problem = finalizeProblem(parser, text);
    if (problem !== undefined) return `has ${problem} in statement ${i + 1} of its \`finalize\``;
  }
  return undefined;
}

/** Names of the columns that a SET list changes; none where the grammar does not read it. */
export async function columnsSet(set: string): Promise<readonly string[]> {
  const [tree] = treesOf(await loadParser(), updateOf(set)) ?? [];
  if (tree === undefined || !("UpdateStmt" in tree)) return [];
  return (tree.UpdateStmt.targetList ?? []).flatMap((item) =>
    "ResTarget" in item && item.ResTarget.name !== undefined && !setsItself(item.ResTarget)
      ? [item.ResTarget.name]
      : [],
  );
}

/** `id = t.id`: nothing but triggers see it. */
function setsItself({ name, val }: { readonly name?: string; readonly val?: Node }): boolean {
  const last = val !== undefined && "ColumnRef" in val ? val.ColumnRef.fields?.at(-1) : undefined;
  return last !== undefined && "String" in last && last.String.sval === name;
}

const updateOf = (set: string) => `update t set ${set}\nwhere true`;

function isMoreThanSet(parser: Parser, set: string): boolean {
  const trees = treesOf(parser, updateOf(set));
  if (trees === undefined) return false;
  const [tree] = trees;
  return trees.length !== 1 || tree === undefined || !("UpdateStmt" in tree);
}

/** It must read the same with parentheses around it and without. */
function isMoreThanCondition(parser: Parser, where: string): boolean {
  const bare = treesOf(parser, `select from t where ${where}\n`);
  const within = treesOf(parser, `select from t where (${where}\n)`);
  if (bare === undefined && within === undefined) return false;
  return bare?.length !== 1 || within?.length !== 1;
}

function finalizeProblem(parser: Parser, text: string): string | undefined {
  for (const tree of treesOf(parser, text) ?? []) {
    if ("TransactionStmt" in tree) return "transaction control (it runs in one of its own)";
    const refused = refusalOf(tree)?.what;
    if (refused !== undefined) return refused;
    const outside = outsideOf(tree);
    if (outside !== undefined) {
      return `${outside.label}, which cannot run in a transaction (put it into a migration that requires this one)`;
    }
  }
  return undefined;
}

function treesOf(parser: Parser, text: string): readonly Node[] | undefined {
  try {
    return (parser.parse(text).stmts ?? []).flatMap(({ stmt }) => (stmt ? [stmt] : []));
  } catch {
    return undefined;
  }
}
