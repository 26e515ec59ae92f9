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
import { judge } from "./expressible.ts";
import type { Finding, Outcome } from "./findings.ts";

export interface DrizzleCheckOptions {
  /** The statements that make the Drizzle schema from empty, as drizzle-kit has them. */
  readonly statements: readonly string[];
  /** Those that no migration has: the check of the schema tells of them. */
  readonly pending: readonly string[];
  readonly ledgerSchema: string;
  /** Migrations whose SQL a person wrote. */
  readonly handWritten: ReadonlySet<string>;
  /** A replay of the same history, at its beginning. */
  readonly again: <T>(use: (replay: Replay) => Promise<T>) => Promise<T>;
}

const SCHEMA_FILE = "the Drizzle schema";

/**
 * The catalog of the replay is what the Drizzle schema says. What Drizzle cannot say (functions,
 * triggers, grants, comments) is left to the SQL; what a hand-written migration adds is a warning.
 */
export async function checkDrizzle(replay: Replay, options: DrizzleCheckOptions): Promise<Outcome> {
  const { ledgerSchema } = options;
  const copy = await replay.copy();
  let differences: readonly Difference[];
  try {
    await applyFile(copy.database, { file: "clear", sql: clearDrizzleObjects(ledgerSchema) });
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
  const findings = judged.map(({ difference, verdict }) => {
    if (verdict === "order") return inAnotherOrder(difference);
    const tag = verdict === "wrong" ? undefined : ownerOf(difference, byHand);
    return tag === undefined ? wrong(difference) : known(difference, tag);
  });
  return { findings };
}

/** What would still differ, were the pending statements run. */
async function lastingDifferences(
  expected: Catalog,
  replay: Replay,
  pending: readonly string[],
): Promise<readonly Difference[]> {
  const { differences } = compareCatalogs(expected, await replay.catalog());
  if (pending.length === 0 || differences.length === 0) return differences;
  const copy = await replay.copy();
  try {
    // Roles are the server's: others may need them.
    const shared = await serverWideIn(pending.map((sql) => ({ file: sql, sql })));
    const isShared = new Set(shared.map(({ file }) => file));
    await copy.runEach(pending.filter((sql) => !isShared.has(sql)));
    const lasting = compareCatalogs(expected, await copy.catalog());
    const names = new Set(lasting.differences.map(({ kind, name }) => `${kind} ${name}`));
    // In the words of before: what was dropped may have taken others along.
    return differences.filter(({ kind, name }) => names.has(`${kind} ${name}`));
  } finally {
    await copy.drop();
  }
}

/** Makes the schema; what is the server's, or was not cleared, is there already. */
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
      fact: `The SQL that drizzle-kit makes of the whole schema does not run: ${error.recorded?.message ?? error.fact}.`,
      remedy:
        "Export all that the schema needs (schemas and sequences too). What only SQL can make, such as a function in a default, must be made by a migration.",
    };
  }
}

/** Which hand-written migration has made what, by kind and name. */
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
      // What lies in a table is by hand where the table is, not where something of it was changed.
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

/** Its own, or that of the table that was made with it. */
function ownerOf(difference: Difference, made: ReadonlyMap<string, string>): string | undefined {
  return [keyOf(difference), ...difference.within.map((outer) => `table ${outer}`)]
    .map((object) => made.get(object))
    .find((tag) => tag !== undefined);
}

function wrong(difference: Difference): Finding {
  return {
    level: "error",
    fact: `${describeDifference(difference)}.`,
    remedy:
      difference.change === "unexpected"
        ? "Expected is what the Drizzle schema says: put it there too, or take it out of the SQL; what is meant to be SQL's alone belongs in a migration of `tidemark generate --custom`."
        : "Expected is what the Drizzle schema says, found is what the migrations make: was the SQL edited after it was generated? Undo that if it was never applied, else make the schema say the same.",
  };
}

function inAnotherOrder(difference: Difference): Finding {
  return {
    level: "warning",
    fact: `${describeDifference(difference)}: the same values in a different order.`,
    remedy: "Harmless unless you sort or compare by it. Leave it as it is.",
  };
}

function known(difference: Difference, tag: string): Finding {
  return {
    level: "warning",
    fact: `${describeDifference(difference)}: ${tag} makes it by hand.`,
    remedy: "The Drizzle schema does not say so. That is fine where Drizzle need not know of it.",
  };
}
