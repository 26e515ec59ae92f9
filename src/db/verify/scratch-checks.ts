import type { History, Migration, Tag } from "../migrate/index.ts";
import type { Replay } from "../scratch/replay.ts";
import { newTags } from "./base-checks.ts";
import { againstBase, type BaseLook, withoutOld } from "./base-look.ts";
import { checkDrizzle } from "./drizzle-check.ts";
import type { Base, FolderState } from "./folder.ts";
import { handWritten } from "./journal.ts";
import { checkDowns, checkReplay, checkRerun } from "./replay-checks.ts";
import type { Runner } from "./runner.ts";
import type { Pending } from "./schema-check.ts";
import type { Outcome } from "./types.ts";

type WithReplay = <T>(use: (replay: Replay) => Promise<T>) => Promise<T>;
type ReplaysOf = (migrations: readonly Migration[]) => WithReplay;

export interface ScratchChecks {
  readonly runner: Runner;
  readonly folder: FolderState;
  readonly base: Base | undefined;
  /** @throws BlockedError */
  readonly readable: () => History;
  readonly downs: ReadonlyMap<Tag, string>;
  /** What makes the Drizzle schema, once drizzle-kit has said it. */
  readonly statements: Promise<readonly string[]>;
  /** What of it no migration has. */
  readonly pending: Promise<Pending>;
  /** The project as the base has it, where that is known. */
  readonly look: BaseLook | undefined;
  readonly ledgerSchema: string;
  readonly signal: AbortSignal | undefined;
  /** Starts the server, and gives replays of histories on it. */
  readonly withReplays: <T>(use: (replaysOf: ReplaysOf) => Promise<T>) => Promise<T>;
}

/** The checks that need a database: one server for all of them. */
export async function checkOnScratch(checks: ScratchChecks): Promise<void> {
  const { runner, readable } = checks;
  const history = orUndefined(readable);
  if (history === undefined) {
    const blocked = async () => {
      throw runner.blocked("the folder cannot be read");
    };
    for (const name of ["replay", "rerun", "drizzle", "down"] as const) {
      await runner.run(name, blocked);
    }
    return;
  }
  await checks.withReplays(async (replaysOf) => {
    const withReplay = replaysOf(history.migrations);
    const count = await withReplay((replay) => checkWhole(replay, checks, replaysOf));
    await withReplay((replay) => checkBack(replay, checks, history, count));
  });
}

function orUndefined<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}

/** @returns how many migrations run */
async function checkWhole(
  replay: Replay,
  checks: ScratchChecks,
  replaysOf: ReplaysOf,
): Promise<number> {
  const { runner, look, signal } = checks;
  let count = 0;
  await runner.run("replay", async () => {
    const outcome = await checkReplay(replay);
    ({ count } = outcome);
    return outcome;
  });
  const needed = () => {
    if (count < replay.migrations.length) throw runner.blocked("not all migrations run");
  };
  await runner.run("rerun", async () => {
    needed();
    return checkRerun(replay);
  });
  await runner.run("drizzle", async () => {
    needed();
    const outcome = await drizzleHere(replay, checks, replaysOf);
    const again = async (there: BaseLook) => {
      runner.progress("drizzle", `the same on ${there.ref}`);
      return withoutOld(outcome, await drizzleAtBase(there, checks, replaysOf), there.ref);
    };
    return againstBase(outcome, look, again, signal);
  });
  return count;
}

async function drizzleHere(
  replay: Replay,
  { runner, folder, statements, pending, ledgerSchema }: ScratchChecks,
  replaysOf: ReplaysOf,
): Promise<Outcome> {
  return checkDrizzle(replay, {
    statements: await statements.catch(() => {
      throw runner.blocked("drizzle-kit cannot say what the schema is");
    }),
    // Why it is not known is told where it was looked for.
    pending: await pending.then(({ statements }) => statements).catch(() => []),
    ledgerSchema,
    handWritten: handWritten(folder),
    again: replaysOf(replay.migrations),
  });
}

/** @throws MigrateError where the base's history or schema cannot be had */
async function drizzleAtBase(
  { folder, history, statements, pending }: BaseLook,
  { ledgerSchema }: ScratchChecks,
  replaysOf: ReplaysOf,
): Promise<Outcome> {
  const { migrations } = await history();
  const withReplay = replaysOf(migrations);
  return withReplay(async (replay) => {
    await replay.advance(migrations.length);
    return checkDrizzle(replay, {
      statements: await statements(),
      pending: (await pending()).statements,
      ledgerSchema,
      handWritten: handWritten(folder),
      again: withReplay,
    });
  });
}

async function checkBack(
  replay: Replay,
  { runner, folder, base, downs }: ScratchChecks,
  history: History,
  count: number,
): Promise<void> {
  await runner.run("down", () => {
    const news = newTags(folder, base);
    return checkDowns(replay, {
      ...{ history, downs, count },
      atBase: new Set(
        history.migrations.flatMap(({ tag }) =>
          base?.tip.files.has(`${tag}.down.sql`) ? [tag] : [],
        ),
      ),
      isDue: (tag) => news === undefined || news.has(tag) || isRenewed(tag, base, downs),
      onProof: (tag, number, total) => runner.progress("down", `${number} of ${total}: ${tag}`),
    });
  });
}

/** Its down file is not the one that the base has. */
function isRenewed(tag: Tag, base: Base | undefined, downs: ReadonlyMap<Tag, string>): boolean {
  const there = base?.tip.files.get(`${tag}.down.sql`);
  return there?.replaceAll("\r\n", "\n") !== downs.get(tag)?.replaceAll("\r\n", "\n");
}
