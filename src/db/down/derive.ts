import { identifier } from "../base/quote.ts";
import { listed } from "../base/text.ts";
import {
  CatalogError,
  compareCatalogs,
  type Difference,
  describeDifference,
  planCatalog,
} from "../catalog/index.ts";
import type { MigrateError } from "../migrate/index.ts";
import type { Replay } from "../scratch/replay.ts";
import { rowWritesIn, writeText } from "../sql-tree/row-writes.ts";
import { inverseRenames } from "../sql-tree/undo-renames.ts";
import { downPathOf, downText, irreversibleText, sqlNameOf } from "./down-text.ts";
import { dropsOfOld, emptyReturns, lossesOf } from "./losses.ts";
import { portable } from "./portable.ts";
import {
  isDuplicate,
  newRoles,
  type Proof,
  proveDown,
  readState,
  refusalOf,
  type StateBefore,
} from "./prove.ts";

/** A generated down file, and the result of proving it. */
export interface DerivedDown {
  readonly kind: "proven" | "irreversible";
  readonly text: string;
  /** The rows that it loses: `column users.bio`. None if it is irreversible. */
  readonly loses: readonly string[];
  /** Why there is no way back; undefined where there is one. */
  readonly reason: string | undefined;
}

/**
 * Generates the down file of a migration, and proves it: catalog before, up, catalog after, the plan
 * from one to the other, down, catalog, up again.
 *
 * @throws MigrateError where the migration itself fails; CatalogError `connect`, `unreadable`
 */
export async function deriveDown(replay: Replay, index: number): Promise<DerivedDown> {
  const migration = replay.migrations[index];
  if (migration === undefined) throw new RangeError(`there is no migration ${index}`);
  const sqlName = sqlNameOf(migration);
  await replay.advance(index);
  const before = await readState(replay);
  await replay.advance(index + 1);

  const { statements, differences, problem } = await planBack(replay, before, migration.sql);
  const irreversible = (reason: string): DerivedDown => {
    const text = irreversibleText(sqlName, reason, statements);
    return { kind: "irreversible", text, loses: [], reason };
  };
  if (problem !== undefined) return irreversible(problem);
  const sql = statements.map((statement) => `${statement};`).join("\n");
  const old = await dropsOfOld(sql, differences);
  if (old.length > 0) {
    return irreversible(
      `the way back would drop what existed before, with its rows: ${old.join(", ")}`,
    );
  }
  const loses = await lossesOf(sql, differences);
  const text = downText({
    ...{ sqlName, statements, loses },
    empty: emptyReturns(differences),
    keeps: (await rowWritesIn(migration.sql)).map(writeText),
  });
  const down = { file: downPathOf(migration), sql: text };
  const reason = reasonOf(await proveDown(replay, before, down));
  return reason === undefined ? { kind: "proven", text, loses, reason } : irreversible(reason);
}

/**
 * The statements of the way back, the differences that they undo (besides the renames), and the
 * problem where it cannot be planned.
 */
async function planBack(replay: Replay, before: StateBefore, sql: string) {
  const { done, catalog: after, taken } = await tryRenames(replay, await inverseRenames(sql));
  if (taken !== undefined) {
    const problem = `the old name was given to something else: ${taken}`;
    return { statements: [], differences: [], problem };
  }
  const { differences } = compareCatalogs(before.catalog, after);
  // Last: they may own objects, and hold grants.
  const roles = (await newRoles(replay, before)).map((role) => `DROP ROLE ${identifier(role)}`);
  try {
    const { statements, remaining } = planCatalog(after, before.catalog);
    const planned = portable(
      statements.map((statement) => statement.sql),
      replay.server.role,
    );
    return {
      statements: [...done, ...planned, ...roles],
      differences,
      problem: remaining.length === 0 ? undefined : described("no statement restores", remaining),
    };
  } catch (error) {
    if (!(error instanceof CatalogError) || error.code !== "not_plannable") throw error;
    return { statements: [], differences, problem: error.fact };
  }
}

/** The renames that can be undone (something may have been dropped since), and the catalog then. */
async function tryRenames(replay: Replay, renames: readonly string[]) {
  let taken: string | undefined;
  const done: string[] = [];
  if (renames.length === 0) return { done, catalog: await replay.catalog(), taken };
  const copy = await replay.copy();
  try {
    for (const rename of renames) {
      const refusal = await refusalOf(() => copy.run("rename", rename));
      if (refusal === undefined) done.push(rename);
      else if (isDuplicate(refusal)) taken ??= serverReason(refusal);
    }
    return { done, catalog: await copy.catalog(), taken };
  } finally {
    await copy.drop();
  }
}

/** Why a down file does not lead back; undefined where it does. */
export function reasonOf(proof: Proof): string | undefined {
  switch (proof.kind) {
    case "proven":
      return undefined;
    case "refused":
      return serverReason(proof.error);
    case "different":
      return described("the way back leaves", proof.differences, proof.roles);
    case "not_again":
      return `after the way back the migration does not run again: ${serverReason(proof.error)}`;
  }
}

function serverReason({ recorded, fact }: MigrateError): string {
  if (recorded === undefined) return fact.split("\n")[0] ?? fact;
  const state = recorded.sqlState === null ? "" : ` (SQLSTATE ${recorded.sqlState})`;
  return `${recorded.message}${state}`;
}

function described(
  what: string,
  differences: readonly Difference[],
  roles: readonly string[] = [],
): string {
  const texts = [...differences.map(describeDifference), ...roles.map((role) => `role ${role}`)];
  return `${what}: ${listed(texts, "; ")}`;
}
