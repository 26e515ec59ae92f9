import { basename, join } from "node:path";
import { listed } from "../base/text.ts";
import type { KitProject } from "../kit/index.ts";
import {
  downFileOf,
  loadHistory,
  MigrateError,
  type Migration,
  sqlFileOf,
  type Tag,
  withParts,
} from "../migrate/index.ts";
import type { ScratchOptions } from "../scratch/index.ts";
import { handWritten } from "../verify/entries.ts";
import type { Assembled } from "./assemble.ts";
import type { ChainedSnapshot, Move } from "./chain-0x.ts";
import { disagreement, readOverlaps } from "./conflict.ts";
import type { FoundOwn } from "./own.ts";
import { lookAtSchema, type SchemaLook, schemaStatements, snapshotOfSchema } from "./schema.ts";
import type { Sides } from "./sides.ts";
import { withStage } from "./stage.ts";
import { type Trial, type TriedDown, tryBehind } from "./trial.ts";
import { type SnapshotKind, warningsOf } from "./warnings.ts";

export interface SettleOptions extends KitProject {
  readonly ledgerSchema: string;
  readonly scratch: ScratchOptions;
  readonly onStep?: ((tag: Tag) => void) | undefined;
}

export interface Settled {
  /** The folder with proven down files; without the sum file. */
  readonly files: ReadonlyMap<string, string>;
  readonly snapshots: readonly SnapshotKind[];
  readonly downs: ReadonlyMap<Tag, TriedDown>;
  /** Statements that drizzle-kit would still write; undefined where it could not be asked. */
  readonly left: readonly string[] | undefined;
  readonly untried: string | undefined;
  readonly warnings: readonly string[];
}

/**
 * Tries the new folder: drizzle-kit on its snapshots, its migrations on a scratch database. Where both sides
 * changed the same, the result stands only if it is what the Drizzle schema says.
 *
 * @throws MigrateError `conflict`; `config`, `connect`, `canceled`
 */
export async function settle(
  sides: Sides,
  found: FoundOwn,
  moves: readonly Move[],
  assembled: Assembled,
  options: SettleOptions,
): Promise<Settled> {
  const { ref, unmergedElsewhere } = sides;
  const { layout } = found;
  const { files, snapshots } = assembled;
  const conflicts = snapshots.flatMap((one) => one.conflicts);
  const isDoubtful = conflicts.length > 0 || snapshots.some(({ kind }) => kind === "lost");
  const project = { cwd: options.cwd, config: options.config, signal: options.signal };
  const look: SchemaLook =
    unmergedElsewhere.length > 0
      ? { kind: "unread", reason: `these files hold conflicts: ${listed(unmergedElsewhere)}` }
      : await lookAtSchema(project, sides.disk.dir, files);
  const isOpen = isDoubtful && (look.kind === "unread" || look.left.length > 0);
  if (isOpen && look.kind === "unread" && conflicts.length > 0)
    throw unknowable(ref, conflicts, look);

  const shown = await shownHistory(sides, found, files);
  const oldFiles = new Map(
    moves.map(({ own, placed }) => [placed.tag, join(sides.disk.dir, sqlFileOf(own.tag, layout))]),
  );
  const sqlOf = (tags: readonly Tag[]) => shown.migrations.filter(({ tag }) => tags.includes(tag));
  const overlaps = await readOverlaps(
    sqlOf(moves.map(({ placed }) => placed.tag)),
    sqlOf(found.theirs),
  );
  const trial = await tryBehind({
    ...{ ref, overlaps, history: shown },
    own: new Map(moves.map(({ own, placed }) => [placed.tag, own])),
    compareWith:
      isOpen && look.kind === "read"
        ? {
            statements: await schemaStatements(project),
            handWritten: handWritten({ dir: sides.disk.dir, files }),
          }
        : undefined,
    ledgerSchema: options.ledgerSchema,
    scratch: options.scratch,
    signal: options.signal,
    onStep: options.onStep,
  }).catch((error: unknown) => {
    throw underOldName(error, shown.migrations, oldFiles);
  });
  const result = new Map(files);
  for (const [tag, { text }] of trial.downs) result.set(downFileOf(tag, layout), text);
  const kinds: SnapshotKind[] = snapshots.map(({ kind }) => kind);
  let left = look.kind === "read" ? look.left : undefined;
  if (isOpen && look.kind === "read") {
    refuseDisagreement(ref, conflicts, trial);
    if (trial.differences?.length === 0) {
      await takeSchema(project, sides.disk.dir, { moves, snapshots, kinds, layout }, result);
      left = [];
    }
  }
  const warnings = warningsOf({ ref, moves, kinds, conflicts, overlaps, look, left, trial });
  return {
    files: result,
    snapshots: kinds,
    downs: trial.downs,
    left,
    untried: trial.untried,
    warnings,
  };
}

/** The new history, with its files named as they will be. */
async function shownHistory(
  { disk }: Sides,
  { layout }: FoundOwn,
  files: ReadonlyMap<string, string>,
) {
  const { migrations, before } = await withStage(disk.dir, files, async (dir) => {
    const history = await loadHistory(dir, { sumFile: "ignore" });
    return { ...history, migrations: await Promise.all(history.migrations.map(withLoadedCode)) };
  });
  const named = migrations.map(
    ({ code, ...migration }): Migration => ({
      ...migration,
      file: join(disk.dir, sqlFileOf(migration.tag, layout)),
      ...(code && { code: { ...code, file: join(disk.dir, basename(code.file)) } }),
    }),
  );
  return { migrations: named, ...(before !== undefined && { before }) };
}

/** Its code is run when its files are gone: what it imports must be there by then. */
async function withLoadedCode(migration: Migration): Promise<Migration> {
  const { code } = migration;
  if (code === undefined) return migration;
  const loaded = code.load();
  await loaded.catch(() => undefined);
  return { ...migration, code: { ...code, load: () => loaded } };
}

/** The file that a person has to edit is still called as before. */
function underOldName(
  error: unknown,
  migrations: readonly Migration[],
  oldFiles: ReadonlyMap<Tag, string>,
): unknown {
  if (!(error instanceof MigrateError) || error.tag === undefined) return error;
  const old = oldFiles.get(error.tag);
  const now = migrations.find(({ tag }) => tag === error.tag)?.file;
  if (old === undefined || now === undefined) return error;
  const renamed = (text: string) => text.replaceAll(now, old);
  return withParts(error, { fact: renamed(error.fact), remedy: renamed(error.remedy) });
}

function refuseDisagreement(ref: string, conflicts: readonly string[], trial: Trial): void {
  if (conflicts.length === 0) return;
  if (trial.differences === undefined)
    throw disagreement(ref, conflicts, [`they could not be run: ${trial.untried}`]);
  if (trial.differences.length > 0) throw disagreement(ref, conflicts, trial.differences);
}

interface Chain {
  readonly moves: readonly Move[];
  readonly snapshots: readonly ChainedSnapshot[];
  readonly kinds: SnapshotKind[];
  readonly layout: FoundOwn["layout"];
}

/** Gives the newest of the moved ones the snapshot of the schema, which the database was found to be. */
async function takeSchema(
  project: KitProject,
  dir: string,
  { moves, snapshots, kinds, layout }: Chain,
  files: Map<string, string>,
): Promise<void> {
  const last = kinds.findLastIndex((kind) => kind !== "none");
  const [snapshot, id] = [snapshots[last], moves[last]?.own.snapshot?.snapshot.id];
  if (snapshot === undefined || id === undefined) return;
  files.delete(snapshot.path);
  files.set(snapshot.path, await snapshotOfSchema(project, dir, files, { layout, id }));
  kinds[last] = "schema";
}

function unknowable(
  ref: string,
  conflicts: readonly string[],
  look: Extract<SchemaLook, { kind: "unread" }>,
): MigrateError {
  return new MigrateError({
    code: "conflict",
    fact: `${ref} and this branch both change the same (${listed(conflicts, "; ")}), and the Drizzle schema, which would tell what is wanted, cannot be read: ${look.reason}`,
    outcome: "nothing-written",
    remedy: "Settle the schema files first, then run `tidemark rebase` again.",
  });
}
