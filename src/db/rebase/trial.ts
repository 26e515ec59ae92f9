import { Problem } from "../base/problem.ts";
import { isAsWritten } from "../down/down-text.ts";
import {
  type DerivedDown,
  deriveDown,
  downPathOf,
  proveDown,
  readState,
  reasonOf,
} from "../down/index.ts";
import { isOwnError } from "../down/refused.ts";
import {
  type History,
  lossNotes,
  MigrateError,
  type Migration,
  type Tag,
} from "../migrate/index.ts";
import { type ScratchOptions, withScratchServer } from "../scratch/index.ts";
import { type Replay, withReplay } from "../scratch/replay.ts";
import { checkDrizzle } from "../verify/drizzle-check.ts";
import { isError } from "../verify/findings.ts";
import { conflictOf, type Overlaps } from "./conflict.ts";

/** A down file on the new base. */
export interface TriedDown extends DerivedDown {
  /** A person wrote it: it stays as it is. */
  readonly isByHand: boolean;
}

export interface Trial {
  readonly downs: ReadonlyMap<Tag, TriedDown>;
  /** Why it could not be found out whether they run; undefined where they do. */
  readonly untried: string | undefined;
  /** Facts in which the database then differs from the Drizzle schema; undefined if it was not compared. */
  readonly differences: readonly string[] | undefined;
}

export interface TrialOptions {
  readonly ref: string;
  readonly history: Pick<History, "migrations" | "before">;
  /** The moved ones, by their new tags. */
  readonly own: ReadonlyMap<Tag, { readonly down: string | undefined }>;
  readonly overlaps: Overlaps;
  /** The statements of the Drizzle schema, where the result is to be compared with it. */
  readonly compareWith:
    | { readonly statements: readonly string[]; readonly handWritten: ReadonlySet<string> }
    | undefined;
  readonly ledgerSchema: string;
  readonly scratch: ScratchOptions;
  readonly signal: AbortSignal | undefined;
  readonly onStep?: ((tag: Tag) => void) | undefined;
}

/**
 * Runs the base's migrations and then the moved ones on a scratch database, and proves the down files anew.
 *
 * @throws MigrateError `conflict` where a moved one fails by its own fault; `config`, `connect`, `canceled`
 */
export async function tryBehind(options: TrialOptions): Promise<Trial> {
  const { history, ledgerSchema, scratch, signal } = options;
  const downs = new Map<Tag, TriedDown>();
  try {
    return await withScratchServer(scratch, (server) => {
      const run = <T>(use: (replay: Replay) => Promise<T>) =>
        withReplay({ server, ...history, ledgerSchema, signal }, use);
      return run(async (replay) => {
        for (const migration of replay.migrations) {
          const own = options.own.get(migration.tag);
          if (own === undefined) continue;
          options.onStep?.(migration.tag);
          const down = await tryOne(replay, migration, own.down);
          if (down !== undefined) downs.set(migration.tag, down);
        }
        await replay.advance(replay.migrations.length);
        const differences = await compared(replay, options, run);
        return { downs, untried: undefined, differences };
      });
    });
  } catch (error) {
    if (error instanceof MigrateError && OF_THE_SERVER.has(error.code)) throw error;
    if (!(error instanceof Problem)) throw error;
    const failed =
      error instanceof MigrateError
        ? history.migrations.find(({ tag }) => tag === error.tag)
        : undefined;
    if (
      error instanceof MigrateError &&
      failed !== undefined &&
      isConflict(error, failed, options)
    ) {
      throw conflictOf(error, failed, options);
    }
    const reason = error instanceof MigrateError ? error.failure : error.message;
    return { downs: new Map(), untried: reason, differences: undefined };
  }
}

const OF_THE_SERVER: ReadonlySet<string> = new Set(["config", "connect", "canceled"]);

/** What another server may have does not count, unless the base has taken it away. */
function isConflict(
  error: MigrateError,
  { tag, file, sql }: Migration,
  { own, overlaps }: TrialOptions,
): boolean {
  if (!own.has(tag)) return false;
  const draft = { tag, file, sql, comparedWith: undefined, withoutSnapshot: [] };
  return isOwnError(error, draft) || (overlaps.get(tag)?.length ?? 0) > 0;
}

async function tryOne(
  replay: Replay,
  migration: Migration,
  down: string | undefined,
): Promise<TriedDown | undefined> {
  if (down === undefined) {
    await replay.advance(migration.index + 1);
    return undefined;
  }
  if (isAsWritten(down)) return { ...(await deriveDown(replay, migration.index)), isByHand: false };
  await replay.advance(migration.index);
  const before = await readState(replay);
  await replay.advance(migration.index + 1);
  const proof = await proveDown(replay, before, { file: downPathOf(migration), sql: down });
  const reason = reasonOf(proof);
  return {
    kind: reason === undefined ? "proven" : "irreversible",
    ...{ text: down, loses: lossNotes(down), reason, isByHand: true },
  };
}

async function compared(
  replay: Replay,
  { compareWith, ledgerSchema }: TrialOptions,
  again: <T>(use: (replay: Replay) => Promise<T>) => Promise<T>,
): Promise<readonly string[] | undefined> {
  if (compareWith === undefined) return undefined;
  const { findings } = await checkDrizzle(replay, {
    ...compareWith,
    pending: [],
    ledgerSchema,
    again,
  });
  return findings.filter(isError).map(({ fact }) => fact);
}
