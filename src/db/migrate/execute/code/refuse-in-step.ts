import type { Node } from "libpg-query";
import { loadParser } from "../../sql/grammar.ts";
import { refusalOf } from "../../sql/refuse.ts";
import { StepMisuse } from "./misuse.ts";

/** Within the step's own transaction. */
const WITHIN: ReadonlySet<string> = new Set([
  "TRANS_STMT_SAVEPOINT",
  "TRANS_STMT_RELEASE",
  "TRANS_STMT_ROLLBACK_TO",
]);

const MOST_KNOWN = 1_000;

/** Texts that were read, and are sent again and again. */
const known = new Set<string>();

/**
 * Refuses, before it is sent, what would end the transaction of a step, or is no part of one. What the
 * grammar does not know, the server judges.
 *
 * @throws StepMisuse
 */
export async function refuseInStep(text: string): Promise<void> {
  if (known.has(text)) return;
  const parser = await loadParser();
  let trees: readonly (Node | undefined)[];
  try {
    trees = (parser.parse(text).stmts ?? []).map(({ stmt }) => stmt);
  } catch {
    return;
  }
  for (const tree of trees) if (tree !== undefined) refuse(tree);
  if (known.size >= MOST_KNOWN) known.clear();
  known.add(text);
}

function refuse(tree: Node): void {
  if ("TransactionStmt" in tree) {
    const { kind = "" } = tree.TransactionStmt;
    if (WITHIN.has(kind)) return;
    const name = kind.replace("TRANS_STMT_", "").replaceAll("_", " ");
    throw new StepMisuse(
      `it sent ${name}, and a step runs in one transaction with the record that it did`,
      "Take it out: throw to roll back, return to commit. Within the step, SAVEPOINT and ROLLBACK TO are fine.",
    );
  }
  const refused = refusalOf(tree);
  if (refused === undefined) return;
  throw new StepMisuse(`it sent ${refused.what}`, refused.remedy);
}
