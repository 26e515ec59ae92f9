import {
  CatalogError,
  compareCatalogs,
  type Difference,
  describeDifference,
  planCatalog,
} from "../catalog/index.ts";
import type { Replay } from "../scratch/replay.ts";
import { rowWritesIn, writeText } from "../sql-tree/row-writes.ts";
import { inverseRenames } from "../sql-tree/undo-renames.ts";
import { downText, irreversibleText } from "./down-text.ts";
import { dropsOfOld, emptyReturns, lossesOf } from "./losses.ts";
import { portable } from "./portable.ts";
import { type Proof, proveDown, readState, refusalOf, type StateBefore } from "./prove.ts";

/** A down file that was worked out, and what came of proving it. */
export interface DerivedDown {
  readonly kind: "proven" | "irreversible";
  readonly text: string;
  /** What it loses of rows: `column users.bio`. Of an irreversible one, nothing. */
  readonly loses: readonly string[];
  /** Why there is no way back; undefined where there is one. */
  readonly reason: string | undefined;
}

/**
 * Works out the way back of a migration, and proves it: catalog before, up, catalog after, the plan
 * from one to the other, down, catalog, up again.
 *
 * @throws MigrateError where the migration itself fails; CatalogError `connect`, `unreadable`
 */
export async function deriveDown(replay: Replay, index: number): Promise<DerivedDown> {
  const migration = replay.migrations[index];
  if (migration === undefined) throw new RangeError(`there is no migration ${index}`);
  await replay.advance(index);
  const before = await readState(replay);
  await replay.advance(index + 1);

  const { statements, differences, problem } = await planBack(replay, before, migration.sql);
  if (problem !== undefined) return irreversible(migration.tag, problem, statements);
  const sql = statements.map((statement) => `${statement};`).join("\n");
  const old = await dropsOfOld(sql, differences);
  if (old.length > 0) {
    const reason = `the way back would drop what was there before, with its rows: ${old.join(", ")}`;
    return irreversible(migration.tag, reason, statements);
  }
  const loses = await lossesOf(sql, differences);
  const text = downText({
    tag: migration.tag,
    statements,
    loses,
    empty: emptyReturns(differences),
    keeps: (await rowWritesIn(migration.sql)).map(writeText),
  });
  const file = migration.file.replace(/\.sql$/, ".down.sql");
  const proof = await proveDown(replay, before, { file, sql: text });
  const reason = reasonOf(proof);
  return reason === undefined
    ? { kind: "proven", text, loses, reason }
    : irreversible(migration.tag, reason, statements);
}

function irreversible(tag: string, reason: string, draft: readonly string[]): DerivedDown {
  const text = irreversibleText(tag, reason, draft);
  return { kind: "irreversible", text, loses: [], reason };
}

interface WayBack {
  readonly statements: readonly string[];
  /** What the plan undoes, beside the renames. */
  readonly differences: readonly Difference[];
  /** Why no statements can be planned. */
  readonly problem: string | undefined;
}

async function planBack(replay: Replay, before: StateBefore, sql: string): Promise<WayBack> {
  const {
    done: first,
    catalog: after,
    taken,
  } = await tryRenames(replay, await inverseRenames(sql));
  if (taken !== undefined) {
    const problem = `the old name was given to something else: ${taken}`;
    return { statements: [], differences: [], problem };
  }
  const { differences } = compareCatalogs(before.catalog, after);
  const known = new Set(before.roles);
  const roles = (await replay.madeRoles())
    .filter((role) => !known.has(role))
    .map((role) => `DROP ROLE "${role.replaceAll('"', '""')}"`);
  try {
    const { statements, remaining } = planCatalog(after, before.catalog);
    const planned = portable(
      statements.map((statement) => statement.sql),
      replay.server.role,
    );
    return {
      // Whoever owns and is granted goes last.
      statements: [...first, ...planned, ...roles],
      differences,
      problem: remaining.length === 0 ? undefined : listed("no statement restores", remaining),
    };
  } catch (error) {
    if (!(error instanceof CatalogError) || error.code !== "not_plannable") throw error;
    return { statements: [], differences, problem: error.fact };
  }
}

// A column, table, schema, object of that name is there.
const DUPLICATE: ReadonlySet<string> = new Set(["42701", "42P07", "42P06", "42710"]);

/** The renames that can be taken back (something may have been dropped since), and the catalog then. */
async function tryRenames(replay: Replay, renames: readonly string[]) {
  let taken: string | undefined;
  if (renames.length === 0) return { done: [], catalog: await replay.catalog(), taken };
  const copy = await replay.copy();
  try {
    const done: string[] = [];
    for (const rename of renames) {
      const refusal = await refusalOf(() => copy.run("rename", rename));
      if (refusal === undefined) done.push(rename);
      else if (DUPLICATE.has(refusal.recorded?.sqlState ?? "")) taken ??= serverReason(refusal);
    }
    return { done, catalog: await copy.catalog(), taken };
  } finally {
    await copy.drop();
  }
}

/** Why a down file is not one; undefined where it is. */
export function reasonOf(proof: Proof): string | undefined {
  switch (proof.kind) {
    case "proven":
      return undefined;
    case "refused":
      return serverReason(proof.error);
    case "different":
      return listed("the way back leaves", proof.differences, proof.roles);
    case "not_again":
      return `after the way back the migration does not run again: ${serverReason(proof.error)}`;
  }
}

function serverReason({ recorded, fact }: Extract<Proof, { kind: "refused" }>["error"]): string {
  if (recorded === undefined) return fact.split("\n")[0] ?? fact;
  const state = recorded.sqlState === null ? "" : ` (SQLSTATE ${recorded.sqlState})`;
  return `${recorded.message}${state}`;
}

const MOST_LISTED = 5;

function listed(
  what: string,
  differences: readonly Difference[],
  roles: readonly string[] = [],
): string {
  const texts = [...differences.map(describeDifference), ...roles.map((role) => `role ${role}`)];
  const more = texts.length > MOST_LISTED ? `; and ${texts.length - MOST_LISTED} more` : "";
  return `${what}: ${texts.slice(0, MOST_LISTED).join("; ")}${more}`;
}
