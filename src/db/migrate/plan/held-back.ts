import type { HeldBack } from "../backfill-types.ts";
import { MigrateError } from "../errors.ts";
import type { LedgerRow } from "../ledger-types.ts";
import type { History, Migration, Tag } from "../types.ts";

const REQUIRES = /^[ \t]*--[ \t]*tidemark:[ \t]*requires[ \t]+(\S+)[ \t]*\r?$/gm;

/** A line that means to be one. */
const MEANT = /^[ \t]*--[ \t]*tidemark:?[ \t]*requires?\b.*$/gim;

/** What a migration's SQL says must be done before it: `-- tidemark: requires 0012_fill`. */
export function requiresOf({ sql }: Pick<Migration, "sql">): readonly Tag[] {
  return sql.includes("tidemark:") ? [...sql.matchAll(REQUIRES)].map(([, tag = ""]) => tag) : [];
}

/**
 * The first of the pending migrations that has to wait: what it requires is not applied yet, or its backfill in the
 * background is not through.
 */
export function findHeldBack(
  pending: readonly Migration[],
  rows: ReadonlyMap<Tag, LedgerRow>,
): HeldBack | undefined {
  for (const migration of pending) {
    for (const requires of requiresOf(migration)) {
      const row = rows.get(requires);
      const backfill = row?.state === "DONE" ? (row.backfill ?? "DONE") : null;
      if (backfill !== "DONE") return { tag: migration.tag, requires, backfill };
    }
  }
  return undefined;
}

/** Which migration waits for what. */
export function heldBackText({ tag, requires, backfill }: HeldBack): string {
  const what = backfill === null ? "is not applied" : `has a backfill that is ${backfill}`;
  return `${tag} is held back: it requires ${requires}, which ${what}.`;
}

/** Requirements that nothing can meet. */
export function unknownRequirements({ migrations }: History): readonly MigrateError[] {
  const indexes = new Map(migrations.map(({ tag, index }) => [tag, index]));
  return migrations.flatMap((migration) => [
    ...unreadable(migration),
    ...requiresOf(migration).flatMap((requires) => {
      const index = indexes.get(requires);
      if (index !== undefined && index < migration.index) return [];
      const what = index === undefined ? "is not in the history" : "does not come before it";
      return new MigrateError({
        code: "history_invalid",
        tag: migration.tag,
        fact: `${migration.file} requires ${requires}, which ${what}.`,
        outcome: "nothing-run",
        remedy: "Correct the tag in its line `-- tidemark: requires …`.",
      });
    }),
  ]);
}

/** Lines that would be passed over: what they wait for would not be waited for. */
function unreadable({ tag, file, sql }: Migration): readonly MigrateError[] {
  if (!/tidemark/i.test(sql)) return [];
  return [...sql.matchAll(MEANT)].flatMap(([line]) => {
    if (requiresOf({ sql: line }).length > 0) return [];
    return new MigrateError({
      code: "history_invalid",
      tag,
      fact: `${file} has the line \`${line.trim()}\`, which cannot be read.`,
      outcome: "nothing-run",
      remedy: "Write `-- tidemark: requires <tag>`: one migration a line, and nothing behind it.",
    });
  });
}
