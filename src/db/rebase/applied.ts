import { listed } from "../base/text.ts";
import {
  DatabaseMigrator,
  describeTarget,
  type Layout,
  MigrateError,
  type MigratorOptions,
  sqlFileOf,
  type Tag,
} from "../migrate/index.ts";
import { entriesOf, JOURNAL } from "../verify/entries.ts";
import type { OwnMigration } from "./own.ts";
import type { Sides } from "./sides.ts";
import { withStage } from "./stage.ts";

/** The database that is asked whether it has run what is to be moved. */
export interface AskedDatabase {
  readonly options: Omit<MigratorOptions, "url" | "dir" | "history">;
  readonly url: string;
  /** A person named it: it must answer. */
  readonly isNamed: boolean;
}

/** Whether a database was asked, and which. */
export type Answer =
  | { readonly asked: true; readonly database: string }
  | { readonly asked: false; readonly reason: string };

/**
 * Refuses to move migrations that a database has run: it would not know them again.
 *
 * @throws MigrateError `conflict`, naming them; `connect` where a database that a person named does not answer
 */
export async function refuseApplied(
  database: AskedDatabase | undefined,
  sides: Sides,
  own: readonly OwnMigration[],
  layout: Layout,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  if (database === undefined) return { asked: false, reason: "no database is configured" };
  try {
    const applied = await withStage(
      sides.disk.dir,
      folderBefore(sides, own, layout),
      async (dir) => {
        const migrator = new DatabaseMigrator({ ...database.options, dir, url: database.url });
        return appliedOf(await migrator.status(signal === undefined ? {} : { signal }), own, sides);
      },
    );
    if (applied.length > 0) throw alreadyApplied(database.url, applied, sides);
    return { asked: true, database: describeTarget(database.url) };
  } catch (error) {
    const isSilent = error instanceof MigrateError && error.code === "connect";
    if (!isSilent || database.isNamed) throw error;
    return { asked: false, reason: error.fact };
  }
}

/** The history as it was before: of the base, what this branch does not call the same, then its own. */
function folderBefore(
  { base }: Sides,
  own: readonly OwnMigration[],
  layout: Layout,
): ReadonlyMap<string, string> {
  const tags = new Set(own.map(({ tag }) => tag));
  const older = (entriesOf(base) ?? []).filter(({ tag }) => !tags.has(tag));
  const files = new Map<string, string>();
  for (const { tag } of older) {
    const path = sqlFileOf(tag, layout);
    files.set(path, base.files.get(path) ?? "");
  }
  for (const { tag, sql } of own) files.set(sqlFileOf(tag, layout), sql);
  if (layout === "0.x") {
    const entries = [...older, ...own.map(({ entry }) => entry)].map((entry, idx) => ({
      ...entry,
      idx,
    }));
    files.set(JOURNAL, JSON.stringify({ version: "7", dialect: "postgresql", entries }));
  }
  return files;
}

function appliedOf(
  { migrations }: Awaited<ReturnType<DatabaseMigrator["status"]>>,
  own: readonly OwnMigration[],
  { base }: Sides,
): readonly Tag[] {
  const tags = new Set(own.map(({ tag }) => tag));
  const theirs = new Set((entriesOf(base) ?? []).map(({ tag }) => tag));
  return (
    migrations
      .filter(({ tag }) => tags.has(tag))
      .filter(({ state }) => state.kind !== "PENDING" || state.statementsDone > 0)
      // Under that name it may be the base's.
      .filter(({ tag, flags }) => !(theirs.has(tag) && flags.includes("CHANGED")))
      .map(({ tag }) => tag)
  );
}

function alreadyApplied(
  url: string,
  tags: readonly Tag[],
  { operation, fork }: Sides,
): MigrateError {
  const before = (entriesOf(fork) ?? []).at(-1)?.tag;
  const target = before === undefined ? "--steps all" : `--to ${before}`;
  const first =
    operation === undefined ? "" : `leave the ${operation} (\`git ${operation} --abort\`), then `;
  return new MigrateError({
    code: "conflict",
    fact: `${describeTarget(url)} has run ${listed(tags)}, and would not know ${tags.length === 1 ? "it" : "them"} by another name.`,
    outcome: "nothing-written",
    remedy:
      `If it is a development database, ${first}take ${tags.length === 1 ? "it" : "them"} back with \`tidemark rollback ${target}\` (or make the database anew), and rebase again. ` +
      "What others' databases have run stays as it is: apply the base's with `tidemark migrate --allow-out-of-order`.",
  });
}
