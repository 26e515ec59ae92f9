import {
  type Catalog,
  compareCatalogs,
  type Difference,
  describeDifference,
  readCatalog,
} from "../catalog/index.ts";
import { MigrateError } from "../migrate/index.ts";
import { APPLY_LEDGER, applyFile } from "../scratch/apply-file.ts";
import type { Replay } from "../scratch/replay.ts";
import { serverWideIn } from "../sql-tree/server-wide.ts";
import { clearDrizzleObjects } from "./clear.ts";
import { type Judged, judge } from "./expressible.ts";
import type { Finding, Outcome } from "./findings.ts";

export interface DrizzleCheckOptions {
  /** The statements that make the Drizzle schema from empty, as drizzle-kit has them. */
  readonly statements: readonly string[];
  /** Those that no migration has, which the check of the schema reports. */
  readonly pending: readonly string[];
  readonly ledgerSchema: string;
  /** Migrations whose SQL a person wrote. */
  readonly handWritten: ReadonlySet<string>;
  /** A replay of the same history, at its beginning. */
  readonly again: <T>(use: (replay: Replay) => Promise<T>) => Promise<T>;
}

const SCHEMA_FILE = "the Drizzle schema";

/**
 * The catalog of the replay is what the Drizzle schema says. What Drizzle cannot declare (functions,
 * triggers, grants, comments) is left to the SQL; what a hand-written migration adds is a warning.
 */
export async function checkDrizzle(replay: Replay, options: DrizzleCheckOptions): Promise<Outcome> {
  const { ledgerSchema } = options;
  const copy = await replay.copy();
  let differences: readonly Difference[];
  try {
    await applyFile(copy.database, { file: "clear", sql: clearDrizzleObjects(ledgerSchema) });
    if (replay.before !== undefined) await applyFile(copy.database, replay.before);
    const refusal = await makeSchema(
      copy.database,
      options.statements,
      await replay.server.listRoles(),
    );
    if (refusal !== undefined) return { findings: [refusal] };
    const expected = await readCatalog({
      url: copy.database.url,
      leaveOut: [ledgerSchema, APPLY_LEDGER],
    });
    differences = await lastingDifferences(expected, replay, options.pending);
  } finally {
    await copy.drop();
  }
  const judged = judge(differences);
  const doubtful = judged.filter(({ verdict }) => verdict === "unless-by-hand");
  const byHand =
    doubtful.length === 0 || options.handWritten.size === 0
      ? new Map<string, string>()
      : await options.again((fresh) => madeByHand(fresh, options.handWritten));
  const findings = judged.map((one) =>
    findingOf(one, one.verdict === "wrong" ? undefined : ownerOf(one.difference, byHand)),
  );
  return { findings };
}

/** The differences that would remain if the pending statements were run. */
async function lastingDifferences(
  expected: Catalog,
  replay: Replay,
  pending: readonly string[],
): Promise<readonly Difference[]> {
  const { differences } = compareCatalogs(expected, await replay.catalog());
  if (pending.length === 0 || differences.length === 0) return differences;
  const copy = await replay.copy();
  try {
    // Roles belong to the server: others may need them.
    const shared = await serverWideIn(pending.map((sql) => ({ file: sql, sql })));
    const isShared = new Set(shared.map(({ file }) => file));
    await copy.runEach(pending.filter((sql) => !isShared.has(sql)));
    const lasting = compareCatalogs(expected, await copy.catalog());
    const names = new Set(lasting.differences.map(({ kind, name }) => `${kind} ${name}`));
    // As they were described before: what was dropped may have taken others along.
    return differences.filter(({ kind, name }) => names.has(`${kind} ${name}`));
  } finally {
    await copy.drop();
  }
}

/** Makes the schema; roles, and what was not cleared, exist already. */
async function makeSchema(
  database: { readonly url: string },
  statements: readonly string[],
  roles: readonly string[],
): Promise<Finding | undefined> {
  const known = new Set(roles);
  const sql = statements
    .map((statement) => statement.trim().replace(/;$/, ""))
    .filter((statement) => {
      const [, role] = /^CREATE ROLE "((?:[^"]|"")+)"/.exec(statement) ?? [];
      return role === undefined || !known.has(role.replaceAll('""', '"'));
    })
    .map((statement) =>
      statement.replace(/^CREATE SCHEMA (?!IF NOT)/, "CREATE SCHEMA IF NOT EXISTS "),
    )
    .map((statement) => `${statement};`)
    .join("\n");
  try {
    await applyFile(database, { file: SCHEMA_FILE, sql });
    return undefined;
  } catch (error) {
    if (!(error instanceof MigrateError)) throw error;
    return {
      level: "error",
      fact: `The SQL that drizzle-kit generates for the whole schema does not run: ${error.recorded?.message ?? error.fact}.`,
      remedy:
        "Export everything that the schema needs (schemas and sequences too). A migration must make what only SQL can, such as a function in a default.",
    };
  }
}

/** Which hand-written migration made what, by kind and name. */
async function madeByHand(
  replay: Replay,
  handWritten: ReadonlySet<string>,
): Promise<Map<string, string>> {
  const made = new Map<string, string>();
  let before: Catalog | undefined;
  for (const { tag, index } of replay.migrations) {
    if (!handWritten.has(tag)) {
      before = undefined;
      continue;
    }
    if (before === undefined) {
      await replay.advance(index);
      before = await replay.catalog();
    }
    await replay.advance(index + 1);
    const after = await replay.catalog();
    for (const difference of compareCatalogs(before, after).differences) {
      // What lies in a table is hand-made if the table is, not if something in it was changed.
      if (difference.change !== "missing") made.set(keyOf(difference), tag);
    }
    before = after;
  }
  return made;
}

function keyOf(difference: Difference): string {
  const { kind, name } = difference;
  return difference.change === "different"
    ? `${kind} ${name}: ${difference.property}`
    : `${kind} ${name}`;
}

/** The migration that made it, or the table that it lies in. */
function ownerOf(difference: Difference, made: ReadonlyMap<string, string>): string | undefined {
  return [keyOf(difference), ...difference.within.map((outer) => `table ${outer}`)]
    .map((object) => made.get(object))
    .find((tag) => tag !== undefined);
}

const ADVICE = {
  unexpected:
    "The Drizzle schema does not have it: add it there, or remove it from the SQL; what only the SQL should have belongs in a migration of `tidemark generate --custom`.",
  wrong:
    "Expected is the Drizzle schema, found is what the migrations make. If the SQL was edited after it was generated, undo that, or (if it may be applied) make the schema say the same.",
  order: "Harmless unless you sort or compare by it. Leave it as it is.",
  byHand: "The Drizzle schema does not have it. That is fine if Drizzle need not know about it.",
} as const;

/** @param tag the hand-written migration that made it */
function findingOf({ difference, verdict }: Judged, tag: string | undefined): Finding {
  const fact = describeDifference(difference);
  if (verdict === "order") {
    const remedy = ADVICE.order;
    return { level: "warning", fact: `${fact}: the same values in a different order.`, remedy };
  }
  if (tag !== undefined) {
    return { level: "warning", fact: `${fact}: ${tag} makes it by hand.`, remedy: ADVICE.byHand };
  }
  const remedy = difference.change === "unexpected" ? ADVICE.unexpected : ADVICE.wrong;
  return { level: "error", fact: `${fact}.`, remedy };
}
