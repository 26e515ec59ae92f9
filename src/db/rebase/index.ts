import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ifThere, readText } from "../base/files.ts";
import {
  copyRepeatables,
  type Layout,
  MigrateError,
  sqlFileOf,
  type Tag,
  writeSumFile,
} from "../migrate/index.ts";
import { sqlText } from "../verify/converted.ts";
import { entriesOf } from "../verify/entries.ts";
import { type Answer, type AskedDatabase, refuseApplied } from "./applied.ts";
import { assemble, isOtherLayout } from "./assemble.ts";
import type { Move } from "./chain-0x.ts";
import { type FoundOwn, findOwn, isMarked } from "./own.ts";
import { misplaced, placeBehind } from "./place.ts";
import {
  behindRemote,
  cannotPlace,
  halfDone,
  notMerged,
  otherLayout,
  refuseUnclear,
} from "./refusals.ts";
import { type Settled, type SettleOptions, settle } from "./settle.ts";
import { readSides, type Sides } from "./sides.ts";
import { withStage } from "./stage.ts";
import { finishSwap, isHalfSwapped, swapIn, swapTo } from "./swap.ts";
import type { TriedDown } from "./trial.ts";
import type { SnapshotKind } from "./warnings.ts";

export type { Answer, AskedDatabase } from "./applied.ts";

export interface RebaseOptions extends SettleOptions {
  /** Migrations folder. */
  readonly dir: string;
  /** Branch or commit whose migrations come first. */
  readonly base: string;
  readonly dryRun: boolean;
  /** Undefined where none is configured. */
  readonly database: AskedDatabase | undefined;
}

export interface MovedMigration {
  readonly from: Tag;
  readonly to: Tag;
  /** As it is called now. */
  readonly file: string;
  /** drizzle's time of it, in milliseconds since 1970. */
  readonly when: number | undefined;
  readonly snapshot: SnapshotKind;
  /** Undefined where it has none, or where it could not be tried. */
  readonly down: TriedDown | undefined;
}

export interface RebaseReport {
  /** `nothing`: this branch's migrations come last already. `planned`: with `dryRun`. */
  readonly outcome: "nothing" | "planned" | "rebased";
  readonly base: string;
  /** Tags of the base that were new to this branch. */
  readonly theirs: readonly Tag[];
  readonly moved: readonly MovedMigration[];
  readonly database: Answer | undefined;
  /** Statements that drizzle-kit would still write; undefined where it was not asked. */
  readonly left: readonly string[] | undefined;
  readonly written: readonly string[];
  readonly deleted: readonly string[];
  /** A rebase that was killed on its last steps was finished first. */
  readonly finished: boolean;
  readonly warnings: readonly string[];
}

const SUM = "tidemark.sum";

/**
 * Moves this branch's own migrations behind those of its base, after a merge that left the folder in conflict
 * or out of order. All of it or nothing, also if it is killed.
 *
 * @throws MigrateError `usage` (the base, or it is not merged yet), `history_invalid` (a state that only a person
 *   can sort out), `conflict` (both sides change the same, or a database has run them), `config`, `connect`,
 *   `canceled`; EmbeddedServerError
 */
export async function rebaseFolder(options: RebaseOptions): Promise<RebaseReport> {
  const { dir, base: ref, dryRun } = options;
  await needFolder(dir);
  if (dryRun && (await isHalfSwapped(dir))) throw halfDone({ dir });
  const finished = dryRun ? false : await finishSwap(dir);
  const sides = await readSides(dir, ref);
  if (sides.newer !== undefined) throw behindRemote(sides, sides.newer);
  if (isOtherLayout(sides)) throw otherLayout(sides);
  const found = findOwn(sides);
  const { own, theirs, layout } = found;
  const nothing: RebaseReport = {
    ...{ outcome: "nothing", base: ref, theirs, moved: [], database: undefined, left: undefined },
    ...{ written: [], deleted: [], finished, warnings: [] },
  };
  if (!sides.isMerged && !isSquashed(sides, found)) {
    if (own.length === 0 || theirs.length === 0) return nothing;
    throw notMerged(sides, theirs);
  }
  refuseUnclear(sides, found);
  const entries = entriesOf(sides.base) ?? [];
  const placed = placeBehind(
    own.map(({ entry }) => entry),
    entries,
    layout,
  );
  const wrong = misplaced(placed, entries, layout);
  if (wrong.length > 0) throw cannotPlace(sides, wrong);
  const moves = own.flatMap((one, place): Move[] => {
    const to = placed[place];
    return to === undefined ? [] : [{ own: one, placed: to }];
  });
  const assembled = assemble(sides, found, moves);
  if (isAsItWas(sides, assembled.files)) return nothing;

  const isMoved = moves.filter(({ own: { tag, entry }, placed: to }) => {
    return tag !== to.tag || (layout === "0.x" && entry.when !== to.entry.when);
  });
  const database =
    isMoved.length === 0
      ? undefined
      : await refuseApplied(
          options.database,
          sides,
          isMoved.map((move) => move.own),
          layout,
          options.signal,
        );
  const settled =
    moves.length === 0 ? undefined : await settle(sides, found, moves, assembled, options);
  const files = await withSum(sides, settled?.files ?? assembled.files);
  const swap = await swapTo(dir, sides.disk.files, files);
  if (!dryRun) await swapIn(dir, swap);
  return {
    ...nothing,
    outcome: dryRun ? "planned" : "rebased",
    moved: moves.map((move, place) => movedOf(dir, layout, move, settled, place)),
    database,
    left: settled?.left,
    written: [...swap.written.keys()],
    deleted: swap.deleted,
    warnings: settled?.warnings ?? [],
  };
}

/** `git merge --squash` leaves no trace but the files. */
function isSquashed({ disk, base }: Sides, { own, theirs, layout }: FoundOwn): boolean {
  const files = theirs.map((tag) => sqlFileOf(tag, layout));
  return (
    own.length > 0 &&
    files.length > 0 &&
    files.every(
      (file) =>
        disk.files.has(file) && sqlText(disk.files.get(file)) === sqlText(base.files.get(file)),
    )
  );
}

function movedOf(
  dir: string,
  layout: Layout,
  { own, placed }: Move,
  settled: Settled | undefined,
  place: number,
): MovedMigration {
  return {
    from: own.tag,
    to: placed.tag,
    file: join(dir, sqlFileOf(placed.tag, layout)),
    when: placed.entry.when,
    snapshot: settled?.snapshots[place] ?? "none",
    down: settled?.downs.get(placed.tag),
  };
}

/** The folder is what it would become, but for the sum, and that is whole. */
function isAsItWas({ disk }: Sides, files: ReadonlyMap<string, string>): boolean {
  const sum = disk.files.get(SUM) ?? "";
  if (isMarked(sum)) return false;
  const there = [...disk.files.keys()].filter((path) => path !== SUM);
  return (
    there.length === files.size &&
    there.every((path) => sqlText(disk.files.get(path)) === sqlText(files.get(path)))
  );
}

/** With a new sum file where there was one. */
async function withSum(
  { disk, base }: Sides,
  files: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, string>> {
  if (!disk.files.has(SUM) && !base.files.has(SUM)) return files;
  return withStage(disk.dir, files, async (dir) => {
    await copyRepeatables(disk.dir, dir);
    await writeSumFile(dir);
    return new Map([...files, [SUM, await readText(join(dir, SUM))]]);
  });
}

async function needFolder(dir: string): Promise<void> {
  if ((await ifThere(stat(dir)))?.isDirectory()) return;
  throw new MigrateError({
    code: "config",
    fact: `There is no migrations folder at ${dir}.`,
    outcome: "nothing-written",
    remedy: "Name the folder with --dir, or as `out` in drizzle.config.ts.",
  });
}
