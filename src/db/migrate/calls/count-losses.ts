import { columnOf, transact } from "../../connection/ask.ts";
import { isServerError } from "../../connection/session.ts";
import {
  COUNTED,
  countRows,
  type FoundRelation,
  findRelation,
  MOST_COUNTED,
  RELATION,
  refuseNewRows,
} from "../ledger/count-rows.ts";
import { MAY_WRITE, mayWrite, reachedBy, referringTo } from "../ledger/reached-rows.ts";
import type { RollbackLoss } from "../rollback-types.ts";
import type { Session } from "../run-types.ts";
import { keyOf, labelOf, type RowLoss } from "../sql/loss-label.ts";
import { madeBy, notedLosses, renamedBy, rowLossesOf, setsSearchPath } from "../sql/row-losses.ts";
import type { ParsedStep } from "../sql/segments.ts";

/** What is known of a statement's surroundings. */
interface Names {
  /** Told of what was looked at and holds nothing. */
  onEmpty: (found: FoundRelation, column: string | undefined) => void;
  /** Of tables and columns that they make, as `keyOf`. */
  readonly made: Set<string>;
  /** That mean other rows than now. */
  readonly renamed: Set<string>;
}

/**
 * The rows that each step would take away, counted in the live database. What is empty loses nothing, and is left
 * out; what is not there because an earlier step makes it, too.
 *
 * @param steps in the order in which they run
 * @param onEmpty told of what a statement drops and nothing is in: the step, the statement's place in its file
 * @param beforeEach called before each look, of which none takes longer than a lease
 * @throws SessionLost; what `beforeEach` throws
 */
export async function countLosses(
  session: Session,
  steps: readonly ParsedStep[],
  beforeEach: () => Promise<void> = async () => undefined,
  onEmpty: (step: ParsedStep, index: number, guard: string) => void = () => undefined,
): Promise<readonly (readonly RollbackLoss[])[]> {
  const names: Names = { made: new Set(), renamed: new Set(), onEmpty: () => undefined };
  const all: (readonly RollbackLoss[])[] = [];
  for (const step of steps) {
    const { migration, statements, resumeAt } = step;
    const seen: RowLoss[] = [];
    // Each once, however many statements take it.
    const losses = new Map<string, RollbackLoss>();
    const count = async (loss: RowLoss) => {
      seen.push(loss);
      await beforeEach();
      for (const each of await counted(session, loss, names))
        losses.set(`${each.what} ${each.rows}`, each);
    };
    // What a short name means to a file with a search path of its own is not known here.
    let hasOwnPath = statements.slice(0, resumeAt).some(setsSearchPath);
    for (const [i, statement] of statements.slice(resumeAt).entries()) {
      names.onEmpty = (found, column) => onEmpty(step, resumeAt + i, refuseNewRows(found, column));
      hasOwnPath ||= setsSearchPath(statement);
      for (const loss of rowLossesOf(statement.tree)) {
        const known = hasOwnPath ? unlessShort(loss) : loss;
        const isCounted = names.renamed.size === 0 && seen.some((one) => isSame(one, known));
        if (!isCounted) await count(known);
      }
      for (const key of madeBy(statement)) names.made.add(key);
      for (const name of renamedBy(statement)) names.renamed.add(name);
    }
    names.onEmpty = () => undefined;
    for (const loss of notedLosses(migration.sql, seen)) await count(loss);
    all.push([...losses.values()]);
  }
  return all;
}

function isSame(one: RowLoss, other: RowLoss): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function unlessShort(loss: RowLoss): RowLoss {
  if (loss.kind === "unknown" || loss.path.length > 1) return loss;
  const isGlobal =
    loss.kind === "call" || (loss.kind === "reached" && loss.catalog === "pg_namespace");
  return isGlobal ? loss : { kind: "unknown", label: labelOf(loss) };
}

async function counted(
  session: Session,
  loss: RowLoss,
  { made, renamed, onEmpty }: Names,
): Promise<readonly RollbackLoss[]> {
  const what = labelOf(loss);
  const unknown = { what, rows: null, isExact: false };
  if (loss.kind === "unknown") return [unknown];
  const column = loss.kind === "column" || loss.kind === "values" ? loss.column : undefined;
  if ([...loss.path, column].some((name) => name !== undefined && renamed.has(name))) {
    return [unknown];
  }
  if (loss.kind === "call") {
    const reply = await transact(session, "losses", [mayWrite(loss.path)], "rollback");
    return columnOf(reply, MAY_WRITE) === false ? [] : [unknown];
  }
  if (loss.kind === "reached") {
    return also(session, reachedBy(loss.catalog, loss.path), "drop", onEmpty);
  }
  const look = findRelation(loss.path, column ?? null);
  const reply = await transact(session, "losses", look, "rollback");
  const found = columnOf(reply, RELATION) as FoundRelation | undefined;
  if (found === undefined) {
    const isMade =
      made.has(keyOf(loss.path)) ||
      (column !== undefined && made.has(keyOf([...loss.path, column])));
    // An earlier step may give something of another name this one.
    return isMade || loss.kind === "sequence" ? [] : [unknown];
  }
  if (loss.kind === "sequence") return found.isUsed ? [unknown] : [];
  // What a write to a view does, its rules and triggers say.
  if (found.relkind === "v" && (loss.kind === "rows" || loss.kind === "values")) return [unknown];
  if (column !== undefined && !found.hasColumn) {
    const isMade = made.has(keyOf([...loss.path, column]));
    return isMade || (await isComputed(session, found, column)) ? [] : [unknown];
  }
  const count = await countOf(session, found, column);
  const own = lost(what, count);
  // The others do not take the lock that would keep new rows out.
  if (loss.kind === "table" || loss.kind === "column") guard(found, column, count, onEmpty);
  if (loss.kind === "rows" && own.length > 0) {
    return [...own, ...(await also(session, referringTo(found, "delete"), "delete"))];
  }
  const isTruncated = loss.kind === "table" && loss.cascade === "truncate";
  if (!isTruncated) return own;
  return [...own, ...(await also(session, referringTo(found, "truncate"), "drop", onEmpty))];
}

/** Counts what goes with something else. */
async function also(
  session: Session,
  look: readonly string[],
  how: "drop" | "delete",
  onEmpty: Names["onEmpty"] = () => undefined,
): Promise<readonly RollbackLoss[]> {
  const { rows } = await transact(session, "losses", look, "rollback");
  const each: RollbackLoss[] = [];
  for (const found of rows.flatMap((row) =>
    RELATION in row ? [row[RELATION] as FoundRelation] : [],
  )) {
    const path = [found.schema, found.name];
    const column = found.column ?? undefined;
    const kinds = how === "drop" ? (["column", "table"] as const) : (["values", "rows"] as const);
    const what = labelOf(
      column === undefined ? { kind: kinds[1], path } : { kind: kinds[0], path, column },
    );
    // An attribute of a composite type: which columns have that type is not looked for.
    const count =
      found.relkind === "c"
        ? { rows: null, isExact: false }
        : await countOf(session, found, column);
    each.push(...lost(what, count));
    guard(found, column, count, onEmpty);
  }
  return each;
}

/** A computed column is there, and holds nothing that could be lost. */
async function isComputed(
  session: Session,
  found: FoundRelation,
  column: string,
): Promise<boolean> {
  try {
    await transact(session, "losses", countRows(found, column), "rollback");
    return true;
  } catch (error) {
    if (!isServerError(error)) throw error;
    return false;
  }
}

/** A column of a large table is not read again under the lock. */
function guard(
  found: FoundRelation,
  column: string | undefined,
  { rows, isExact }: Omit<RollbackLoss, "what">,
  onEmpty: Names["onEmpty"],
): void {
  const isGuarded = rows === 0 && isExact && (found.relkind === "r" || found.relkind === "p");
  if (isGuarded && (column === undefined || found.estimate < MOST_COUNTED)) onEmpty(found, column);
}

function lost(what: string, count: Omit<RollbackLoss, "what">): readonly RollbackLoss[] {
  return count.rows === 0 && count.isExact ? [] : [{ what, ...count }];
}

async function countOf(
  session: Session,
  found: FoundRelation,
  column: string | undefined,
): Promise<Omit<RollbackLoss, "what">> {
  const estimate = {
    rows: found.estimate < 0 ? null : Math.round(found.estimate),
    isExact: false,
  };
  try {
    const reply = await transact(session, "losses", countRows(found, column), "rollback");
    const rows = Number(columnOf(reply, COUNTED));
    if (rows <= MOST_COUNTED) return { rows, isExact: true };
    return { rows: Math.max(estimate.rows ?? 0, rows), isExact: false };
  } catch (error) {
    // It takes too long, or the role may not look.
    if (!isServerError(error)) throw error;
    return estimate;
  }
}
