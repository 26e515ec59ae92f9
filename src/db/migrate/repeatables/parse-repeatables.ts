import type { Node } from "libpg-query";
import { MigrateError } from "../errors.ts";
import type { MadeObject } from "../repeatable-types.ts";
import { loadParser } from "../sql/grammar.ts";
import { stepParser } from "../sql/parse.ts";
import { borderOf, type ParsedStep } from "../sql/segments.ts";
import { errorAt } from "../sql/snippet.ts";
import type { Statement } from "../sql/statements.ts";
import type { Repeatable } from "../types.ts";
import { givenBy } from "./given-names.ts";
import { objectsOf } from "./made-by-file.ts";
import { inOrder, type Needs } from "./repeatable-order.ts";
import { statementsOfBlock, usedBy } from "./used-names.ts";

/** A repeatable, parsed. */
export interface ParsedRepeatable extends Needs {
  readonly repeatable: Repeatable;
  readonly statements: readonly Statement[];
  /** What each of them makes. */
  readonly makesBy: readonly (readonly MadeObject[])[];
  /** What each of them drops. */
  readonly dropsBy: readonly (readonly MadeObject[])[];
  /** As the engine parses what it runs. */
  readonly step: ParsedStep;
}

/**
 * Parses all repeatables, refuses what cannot be one, and puts them in the order of what they need.
 *
 * @throws MigrateError `history_invalid`, `unsupported_statement`
 */
export async function parseRepeatables(
  repeatables: readonly Repeatable[],
): Promise<readonly ParsedRepeatable[]> {
  if (repeatables.length === 0) return [];
  const parser = await loadParser();
  const parse = stepParser();
  const all: ParsedRepeatable[] = [];
  for (const repeatable of repeatables) {
    const { tag, file, checksum } = repeatable;
    const migration = { ...repeatable, index: 0, link: checksum };
    const unstarted = { attempt: 1, resumeAt: 0, prefix: null, underWay: null };
    const [step] = await parse([{ migration, ...unstarted, rank: 0, headAfter: checksum }]);
    if (step === undefined) continue;
    refuseUnfit(repeatable, step);
    const { statements } = step;
    const objects = objectsOf(statements.map(({ tree }) => tree));
    const makes = objects.makesBy.flat();
    const uses = statements.flatMap((statement) => usedBy(statement, parser));
    const gives = statements.flatMap(({ tree }) =>
      [tree, ...statementsOfBlock(tree, parser)].flatMap(givenBy),
    );
    all.push({ repeatable, tag, file, statements, step, ...objects, makes, gives, uses });
  }
  return inOrder(all);
}

function refuseUnfit(repeatable: Repeatable, { statements, segments }: ParsedStep): void {
  for (const segment of segments) {
    if (segment.kind !== "outside") continue;
    const { placed, outside } = segment;
    throw unfit(repeatable, placed.statement, placed.index, {
      what: `${outside.label}, which no transaction can hold`,
      remedy: "A repeatable runs in one transaction: move that into a migration.",
    });
  }
  for (const [index, statement] of statements.entries()) {
    const refused = refusedIn(statement.tree);
    if (refused !== undefined) throw unfit(repeatable, statement, index, refused);
  }
  if (segments.length > 1) {
    throw new MigrateError({
      code: "unsupported_statement",
      tag: repeatable.tag,
      fact: `${repeatable.file} adds an enum value and has statements after that: these need a transaction of their own.`,
      outcome: "nothing-run",
      remedy: "A repeatable runs in one transaction: move the value into a migration.",
    });
  }
}

function refusedIn(tree: Node): { readonly what: string; readonly remedy: string } | undefined {
  if (borderOf(tree) !== undefined) {
    return {
      what: "a border of a transaction",
      remedy:
        "A repeatable runs in one transaction, which Tidemark begins and commits: take it out.",
    };
  }
  if ("DropStmt" in tree && tree.DropStmt.behavior === "DROP_CASCADE") {
    return {
      what: "DROP … CASCADE, which takes away what others have made",
      remedy:
        "Leave CASCADE out: what repeatables made that depends on it is dropped and made again by itself.",
    };
  }
  if (
    "CreateTableAsStmt" in tree &&
    tree.CreateTableAsStmt.objtype === "OBJECT_MATVIEW" &&
    tree.CreateTableAsStmt.if_not_exists
  ) {
    return {
      what: "CREATE MATERIALIZED VIEW IF NOT EXISTS, which keeps an older definition",
      remedy: "Leave IF NOT EXISTS out: where the view is there, it is dropped and made again.",
    };
  }
  return undefined;
}

function unfit(
  { file, sql }: Repeatable,
  { offset }: Statement,
  index: number,
  { what, remedy }: { readonly what: string; readonly remedy: string },
): MigrateError {
  const error = {
    code: "unsupported_statement",
    what: `statement ${index + 1} is ${what}`,
    remedy,
  };
  return errorAt({ file, sql }, offset, { ...error, code: "unsupported_statement" });
}
