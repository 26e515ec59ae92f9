import type { Node } from "libpg-query";
import type { Migration } from "../types.ts";
import { decidesNames } from "./made-settings.ts";
import { nameOf, outsideOf } from "./non-transactional.ts";
import { refusal } from "./refuse.ts";
import { borderOf, chains, type ParsedStep, type SqlSegment } from "./segments.ts";
import type { Placed, Statement } from "./statements.ts";

/** What belongs to a session and does not outlive the end of a segment. */
interface SessionObject {
  readonly what: string;
  readonly name: string;
}

/**
 * Refuses what a later segment of a file would look for in vain: each begins as in a session of its own.
 *
 * @throws MigrateError `unsupported_statement`
 */
export function refuseAcrossBorders(migration: Migration, segments: readonly SqlSegment[]): void {
  for (const [i, segment] of segments.entries()) {
    for (const placed of placedOf(segment)) {
      const object = sessionObjectOf(placed.statement.tree);
      if (object === undefined) continue;
      const later = segments.slice(i + 1).flatMap(placedOf);
      const user = later.find(({ statement }) => mentions(statement.text, object.name));
      if (user === undefined || makesAnew(user.statement.tree, object)) continue;
      throw refusal(migration, placed, {
        what: `${object.what} ${object.name}, which statement ${user.index + 1} uses in another transaction`,
        remedy:
          "What belongs to a session ends with its transaction here, so that a migration can be resumed: " +
          "use a table that stays and is dropped at the end, or keep the statements in one transaction.",
      });
    }
  }
}

/**
 * Refuses what no transaction can hold between a file's own `BEGIN` and `COMMIT`: what stands there is
 * meant to be one, and would not be.
 *
 * @throws MigrateError `unsupported_statement`
 */
export function refuseInsideBlock(migration: Migration, statements: readonly Statement[]): void {
  let isInside = false;
  for (const [index, statement] of statements.entries()) {
    const { tree } = statement;
    const border = borderOf(tree);
    if (border !== undefined) isInside = border === "begin" || chains(tree);
    const outside = isInside ? outsideOf(tree) : undefined;
    if (outside === undefined) continue;
    throw refusal(
      migration,
      { statement, index },
      {
        what: `${outside.label}, which no transaction can hold, between BEGIN and COMMIT`,
        remedy:
          "Write COMMIT before it, or take BEGIN and COMMIT out: each segment is a transaction anyway.",
      },
    );
  }
}

function placedOf(segment: SqlSegment): readonly Placed[] {
  return segment.kind === "outside" ? [segment.placed] : segment.statements;
}

function sessionObjectOf(tree: Node): SessionObject | undefined {
  if ("PrepareStmt" in tree) return { what: "PREPARE", name: tree.PrepareStmt.name ?? "" };
  if ("ListenStmt" in tree) return { what: "LISTEN", name: tree.ListenStmt.conditionname ?? "" };
  if ("DeclareCursorStmt" in tree) {
    return { what: "the cursor", name: tree.DeclareCursorStmt.portalname ?? "" };
  }
  const relation = temporaryRelation(tree);
  if (relation?.relpersistence !== "t") return undefined;
  return { what: "the temporary relation", name: relation.relname ?? "" };
}

/** What a later statement makes by that name is another one; it is looked at by itself. */
function makesAnew(tree: Node, { what, name }: SessionObject): boolean {
  if ("CreateStmt" in tree && tree.CreateStmt.if_not_exists) return false;
  if ("CreateTableAsStmt" in tree && tree.CreateTableAsStmt.if_not_exists) return false;
  if ("CreateSeqStmt" in tree && tree.CreateSeqStmt.if_not_exists) return false;
  const made = sessionObjectOf(tree);
  return made?.what === what && made.name === name;
}

function temporaryRelation(tree: Node) {
  if ("CreateStmt" in tree) return tree.CreateStmt.relation;
  if ("CreateTableAsStmt" in tree) return tree.CreateTableAsStmt.into?.rel;
  if ("SelectStmt" in tree) return tree.SelectStmt.intoClause?.rel;
  if ("ViewStmt" in tree) return tree.ViewStmt.view;
  if ("CreateSeqStmt" in tree) return tree.CreateSeqStmt.sequence;
  return undefined;
}

/** As a word of its own, in whatever case: a name that is only in a comment counts too. */
function mentions(text: string, name: string): boolean {
  const word = name.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&").replaceAll('"', '""?');
  return new RegExp(`(?<![\\p{L}\\p{N}_])${word}(?![\\p{L}\\p{N}_])`, "iu").test(text);
}

/**
 * Refuses a concurrent index on a partitioned table that one of the files makes: PostgreSQL builds none.
 *
 * @throws MigrateError `unsupported_statement`
 */
export function refusePartitionedParents(steps: readonly ParsedStep[]): void {
  const parents = new Set(
    steps.flatMap((step) =>
      step.statements.flatMap(({ tree }) =>
        "CreateStmt" in tree && tree.CreateStmt.partspec !== undefined
          ? [tree.CreateStmt.relation]
              .filter((relation) => isToldByName(step, relation))
              .map(nameOf)
              .map(bare)
          : [],
      ),
    ),
  );
  if (parents.size === 0) return;
  for (const { migration, table, placed } of concurrentIndexes(steps)) {
    if (parents.has(bare(table))) throw partitionedParent(migration, placed, table);
  }
}

/** Each index that the steps build concurrently on a table that its name identifies. */
export function concurrentIndexes(steps: readonly ParsedStep[]) {
  return steps.flatMap((step) =>
    step.segments.flatMap((segment) => {
      if (segment.kind !== "outside" || segment.outside.action.kind !== "create-index") return [];
      const { placed } = segment;
      const { tree } = placed.statement;
      const relation = "IndexStmt" in tree ? tree.IndexStmt.relation : undefined;
      return isToldByName(step, relation)
        ? [{ migration: step.migration, table: segment.outside.action.table, placed }]
        : [];
    }),
  );
}

/** A name without a schema means what the file's own search_path or role makes of it. */
function isToldByName(
  { statements }: ParsedStep,
  relation: { readonly schemaname?: string } | undefined,
): boolean {
  return relation?.schemaname !== undefined || !statements.some(decidesNames);
}

/** The refusal of a concurrent index on a partitioned table, with the recipe. */
export function partitionedParent(migration: Migration, placed: Placed, table: string) {
  return refusal(migration, placed, {
    what: `a concurrent index on ${table}, which is partitioned: PostgreSQL builds none there`,
    remedy:
      `Create it with CREATE INDEX … ON ONLY ${table} (which is INVALID until it has all of its parts), build one ` +
      "on each partition with CREATE INDEX CONCURRENTLY, and attach each: ALTER INDEX … ATTACH PARTITION ….",
  });
}

function bare(name: string): string {
  return name.replace(/^"public"\./, "");
}
