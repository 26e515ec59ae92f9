import { downFileOf, type History, type Tag } from "../migrate/index.ts";
import { type ScratchOptions, withScratchServer } from "../scratch/index.ts";
import { type Replay, type ReplayOptions, withReplay } from "../scratch/replay.ts";
import { newTags } from "./base-checks.ts";
import { againstBase, type BaseLook, withoutOld } from "./base-look.ts";
import { checkDrizzle } from "./drizzle-check.ts";
import { handWritten } from "./entries.ts";
import type { Outcome } from "./findings.ts";
import type { Base, FolderState } from "./folder-state.ts";
import { checkRepeatables, hasRepeatables } from "./repeatables-check.ts";
import { checkDowns, checkReplay, checkRerun } from "./replay-checks.ts";
import type { Runner } from "./runner.ts";
import type { Pending } from "./schema-check.ts";

type ReplayOf = <T>(
  history: Pick<ReplayOptions, "migrations" | "before" | "repeatables">,
  use: (replay: Replay) => Promise<T>,
) => Promise<T>;

export interface ScratchChecks {
  readonly runner: Runner;
  readonly folder: FolderState;
  readonly base: Base | undefined;
  /** Undefined where the folder cannot be read. */
  readonly history: History | undefined;
  readonly downs: ReadonlyMap<Tag, string>;
  /** The statements that make the Drizzle schema, once drizzle-kit has given them. */
  readonly statements: Promise<readonly string[]>;
  /** Those of them that no migration has. */
  readonly pending: Promise<Pending>;
  /** The project as the base has it, where that is known. */
  readonly look: BaseLook | undefined;
  readonly ledgerSchema: string;
  readonly signal: AbortSignal | undefined;
  readonly scratch: ScratchOptions;
}

/** The checks that need a database: one server for all of them. */
export async function checkOnScratch(checks: ScratchChecks): Promise<void> {
  const { runner, history, ledgerSchema, signal } = checks;
  if (history === undefined) {
    runner.leaveOut("repeatables");
    for (const name of ["replay", "rerun", "drizzle", "down"] as const) {
      await runner.run(name, () => Promise.reject(runner.blocked("the folder cannot be read")));
    }
    return;
  }
  await withScratchServer(checks.scratch, async (server) => {
    const replayOf: ReplayOf = ({ migrations, before, repeatables }, use) =>
      withReplay({ server, migrations, before, repeatables, ledgerSchema, signal }, use);
    const count = await replayOf(history, (replay) => checkWhole(replay, checks, replayOf));
    await replayOf(history, (replay) => checkBack(replay, checks, history, count));
  });
}

/** @returns how many migrations run */
async function checkWhole(
  replay: Replay,
  checks: ScratchChecks,
  replayOf: ReplayOf,
): Promise<number> {
  const { runner, look, signal } = checks;
  let count = 0;
  await runner.run("replay", async () => {
    const outcome = await checkReplay(replay);
    ({ count } = outcome);
    return outcome;
  });
  const needAll = () => {
    if (count < replay.migrations.length) throw runner.blocked("not all migrations run");
  };
  await runner.run("rerun", async () => {
    needAll();
    return checkRerun(replay);
  });
  await runner.run("drizzle", async () => {
    needAll();
    const outcome = await drizzleHere(replay, checks, replayOf);
    const again = async (there: BaseLook) => {
      runner.progress("drizzle", `the same on ${there.ref}`);
      return withoutOld(outcome, await drizzleAtBase(there, checks, replayOf), there.ref);
    };
    return againstBase(outcome, look, again, signal);
  });
  if (hasRepeatables(checks)) {
    await runner.run("repeatables", async () => {
      needAll();
      return checkRepeatables(replay, checks);
    });
  } else runner.leaveOut("repeatables");
  return count;
}

async function drizzleHere(
  replay: Replay,
  { runner, folder, statements, pending, ledgerSchema }: ScratchChecks,
  replayOf: ReplayOf,
): Promise<Outcome> {
  return checkDrizzle(replay, {
    statements: await statements.catch(() => {
      throw runner.blocked("drizzle-kit cannot read the schema");
    }),
    // The check of the schema reports why it is not known.
    pending: await pending.then(({ statements }) => statements).catch(() => []),
    ledgerSchema,
    handWritten: handWritten(folder),
    again: (use) => replayOf(replay, use),
  });
}

/** @throws MigrateError where the base's history or schema cannot be read */
async function drizzleAtBase(
  { folder, history, statements, pending }: BaseLook,
  { ledgerSchema }: ScratchChecks,
  replayOf: ReplayOf,
): Promise<Outcome> {
  const { migrations, before } = await history();
  return replayOf({ migrations, before }, async (replay) => {
    await replay.advance(migrations.length);
    return checkDrizzle(replay, {
      statements: await statements(),
      pending: (await pending()).statements,
      ledgerSchema,
      handWritten: handWritten(folder),
      again: (use) => replayOf(replay, use),
    });
  });
}

async function checkBack(
  replay: Replay,
  { runner, folder, base, downs }: ScratchChecks,
  history: History,
  count: number,
): Promise<void> {
  const atBase = (tag: Tag) =>
    base?.tip.files.get(downFileOf(tag, history.layout))?.replaceAll("\r\n", "\n");
  await runner.run("down", () => {
    const news = newTags(folder, base);
    return checkDowns(replay, {
      ...{ history, downs, count },
      isAtBase: (tag) => atBase(tag) !== undefined,
      // The base has none, or another one.
      isDue: (tag) =>
        (news?.has(tag) ?? true) || atBase(tag) !== downs.get(tag)?.replaceAll("\r\n", "\n"),
      onProof: (tag, number, total) => runner.progress("down", `${number} of ${total}: ${tag}`),
    });
  });
}
