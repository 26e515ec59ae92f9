import type { MigrateError } from "../errors.ts";
import type { Plan, Step } from "../plan/plan.ts";
import type { Checksum } from "../types.ts";
import { refuseAcrossBorders, refuseInsideBlock, refusePartitionedParents } from "./borders.ts";
import { loadParser } from "./grammar.ts";
import { refuseChangedPrefix, refuseDamaged, refuseUnsupported } from "./refuse.ts";
import { asksForNoTransaction, type ParsedStep, segmentsOf } from "./segments.ts";
import { parseStatements } from "./statements.ts";

/**
 * Parses and validates what is pending, before anything runs. A parser remembers
 * the files it has read: the plan is made twice, once before the lease.
 *
 * @throws MigrateError `history_invalid`, `unsupported_statement`, `checksum_mismatch`
 */
export function stepParser(): (steps: readonly Step[]) => Promise<readonly ParsedStep[]> {
  // What fails here fails again, and is reported, when it is awaited.
  loadParser().catch(() => undefined);
  const parsed = new Map<Checksum, ParsedStep["statements"]>();
  return async (steps) => {
    const list: ParsedStep[] = [];
    for (const { migration } of steps) refuseDamaged(migration);
    for (const step of steps) {
      const { migration } = step;
      const statements =
        parsed.get(migration.checksum) ?? (await parseStatements(migration.sql, migration.file));
      parsed.set(migration.checksum, statements);
      refuseUnsupported(migration, statements);
      refuseChangedPrefix(step, statements);
      refuseInsideBlock(migration, statements);
      const noTransaction = asksForNoTransaction(migration.sql);
      refuseAcrossBorders(migration, segmentsOf(statements, { noTransaction, resumeAt: 0 }));
      const segments = segmentsOf(statements, { noTransaction, resumeAt: step.resumeAt });
      list.push({ ...step, statements, segments });
    }
    refusePartitionedParents(list);
    return list;
  };
}

/**
 * Why a plan needs no run; undefined where it does.
 *
 * @throws MigrateError the first of the plan's problems
 */
export function nothingToDo(plan: Plan): "current" | "newer" | undefined {
  if (plan.newer) return "newer";
  const problem: MigrateError | undefined = plan.problems[0];
  if (problem !== undefined) throw problem;
  return plan.steps.length === 0 ? "current" : undefined;
}
