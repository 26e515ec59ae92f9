import { columnOf, transact } from "../../connection/ask.ts";
import { isServerError } from "../../connection/session.ts";
import {
  COUNTED,
  countRows,
  type FoundRelation,
  findRelation,
  MOST_COUNTED,
  RELATION,
  tablesOf,
} from "../ledger/count-rows.ts";
import type { RollbackLoss } from "../rollback-types.ts";
import type { Session } from "../run-types.ts";
import {
  keyOf,
  labelOf,
  madeBy,
  notedLosses,
  type RowLoss,
  rowLossesOf,
  setsSearchPath,
} from "../sql/row-losses.ts";
import type { ParsedStep } from "../sql/segments.ts";

/**
 * The rows that each step would take away, counted in the live database. What is empty loses nothing, and is left
 * out; what is not there because an earlier step makes it, too.
 *
 * @param steps in the order in which they run
 * @param beforeEach called before each look, of which none takes longer than a lease
 * @throws SessionLost; what `beforeEach` throws
 */
export async function countLosses(
  session: Session,
  steps: readonly ParsedStep[],
  beforeEach: () => Promise<void> = async () => undefined,
): Promise<readonly (readonly RollbackLoss[])[]> {
  const made = new Set<string>();
  const all: (readonly RollbackLoss[])[] = [];
  for (const { migration, statements, resumeAt } of steps) {
    const left = statements.slice(resumeAt);
    const seen: RowLoss[] = [];
    const losses: RollbackLoss[] = [];
    // What a short name means to a file with a search path of its own is not known here.
    let hasOwnPath = statements.slice(0, resumeAt).some(setsSearchPath);
    for (const statement of left) {
      hasOwnPath ||= setsSearchPath(statement);
      for (const loss of rowLossesOf(statement.tree)) {
        seen.push(loss);
        await beforeEach();
        losses.push(...(await counted(session, hasOwnPath ? unlessShort(loss) : loss, made)));
      }
      for (const key of madeBy(statement)) made.add(key);
    }
    for (const loss of notedLosses(migration.sql, seen)) {
      await beforeEach();
      losses.push(...(await counted(session, loss, made)));
    }
    all.push(losses);
  }
  return all;
}

function unlessShort(loss: RowLoss): RowLoss {
  if (loss.kind === "unknown" || loss.kind === "schema" || loss.path.length > 1) return loss;
  return { kind: "unknown", label: labelOf(loss) };
}

async function counted(
  session: Session,
  loss: RowLoss,
  made: ReadonlySet<string>,
): Promise<readonly RollbackLoss[]> {
  const what = labelOf(loss);
  const unknown = { what, rows: null, isExact: false };
  if (loss.kind === "unknown") return [unknown];
  if (loss.kind === "schema") {
    const { rows } = await transact(session, "losses", [tablesOf(loss.path[0] ?? "")], "rollback");
    const found = rows.flatMap((row) => (RELATION in row ? [row[RELATION] as FoundRelation] : []));
    const each: RollbackLoss[] = [];
    for (const one of found) {
      const path = [one.schema, one.name];
      each.push(...lost(labelOf({ kind: "table", path }), await countOf(session, one, undefined)));
    }
    return each;
  }
  const column = loss.kind === "column" ? loss.column : undefined;
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
  if (column !== undefined && !found.hasColumn) {
    const isMade = made.has(keyOf([...loss.path, column]));
    return isMade || (await isComputed(session, found, column)) ? [] : [unknown];
  }
  return lost(what, await countOf(session, found, column));
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
