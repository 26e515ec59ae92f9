import {
  irreversibleReason,
  lossesOf,
  proveDown,
  readState,
  reasonOf,
  rowWritesIn,
} from "../down/index.ts";
import {
  downFileOf,
  type History,
  MigrateError,
  type Migration,
  type Tag,
} from "../migrate/index.ts";
import { failureText } from "../scratch/failure-text.ts";
import type { Replay } from "../scratch/replay.ts";
import { placeOf } from "./place.ts";
import type { Finding, Outcome } from "./types.ts";

/** All of the history runs on an empty database. @returns how many migrations do */
export async function checkReplay(replay: Replay): Promise<Outcome & { readonly count: number }> {
  const { migrations } = replay;
  try {
    await replay.advance(migrations.length);
    return {
      findings: [],
      detail: counted(migrations.length, "migration"),
      count: migrations.length,
    };
  } catch (error) {
    if (!(error instanceof MigrateError) || error.code === "canceled") throw error;
    const failed = migrations.find(({ tag }) => tag === error.tag);
    return { findings: [failedRun(error, failed)], count: failed?.index ?? 0 };
  }
}

/** With everything applied, a run finds nothing to do, and the ledger says so. */
export async function checkRerun(replay: Replay): Promise<Outcome> {
  const fact = await rerunProblem(replay);
  if (fact === undefined) return { findings: [] };
  const remedy =
    "A migration must leave Tidemark's own schema alone: look for what drops, deletes or updates there.";
  return { findings: [{ level: "error", fact, remedy }] };
}

async function rerunProblem(replay: Replay): Promise<string | undefined> {
  try {
    const outcome = await replay.advance(replay.migrations.length);
    if (outcome !== "current") return `A second run is not a no-op: it ended as "${outcome}".`;
    const { pending, problems } = await replay.status();
    const [problem] = problems;
    if (problem !== undefined) return `After all migrations have run: ${problem.fact}`;
    return pending === 0 ? undefined : `After all migrations have run, ${pending} are pending.`;
  } catch (error) {
    if (!(error instanceof MigrateError) || error.code === "canceled") throw error;
    return `A second run fails, where nothing should be left to do: ${error.fact}`;
  }
}

export interface DownCheckOptions {
  readonly history: History;
  /** Texts of the down files that are there. */
  readonly downs: ReadonlyMap<Tag, string>;
  /** Migrations whose down files the base has. */
  readonly atBase: ReadonlySet<Tag>;
  /** Migrations whose down files to prove: the others were, when they were new. */
  readonly isDue: (tag: Tag) => boolean;
  /** Migrations that run on an empty database, counted from the first. */
  readonly count: number;
  readonly onProof: (tag: Tag, number: number, total: number) => void;
}

/** Down, a look, and up again, for each down file; and none is missing. */
export async function checkDowns(replay: Replay, options: DownCheckOptions): Promise<Outcome> {
  const { history, downs, isDue, count, onProof, atBase } = options;
  const due = history.migrations.filter(({ tag }) => isDue(tag));
  const findings: Finding[] = [...missingDowns(history, downs, due, atBase)];
  const present = due.filter(({ tag }) => downs.has(tag));
  const provable = present.filter(
    ({ index, tag }) => index < count && reasonIn(downs, tag) === undefined,
  );
  for (const [number, migration] of provable.entries()) {
    onProof(migration.tag, number + 1, provable.length);
    const finding = await proofFinding(replay, migration, downs.get(migration.tag) ?? "");
    if (finding !== undefined) findings.push(finding);
  }
  const given = present.filter(({ tag }) => reasonIn(downs, tag) !== undefined);
  for (const { tag, file } of given) {
    if (reasonIn(downs, tag) === "") findings.push(noReason(file));
  }
  const detail = detailOf(provable.length, given.length, downs.size);
  return { findings, detail, skipped: downs.size === 0 };
}

function reasonIn(downs: ReadonlyMap<Tag, string>, tag: Tag): string | undefined {
  return irreversibleReason(downs.get(tag) ?? "");
}

function detailOf(proven: number, irreversible: number, all: number): string {
  if (all === 0) return "no down files: `tidemark down --missing` writes them";
  const given = irreversible === 0 ? "" : `, ${irreversible} irreversible`;
  return `${proven} of ${counted(all, "down file")}${given}`;
}

/**
 * A folder without any has none to miss, and what is older than the first one was there before down
 * files were.
 */
function missingDowns(
  { migrations }: History,
  downs: ReadonlyMap<Tag, string>,
  due: readonly Migration[],
  atBase: ReadonlySet<Tag>,
): readonly Finding[] {
  const first = migrations.findIndex(({ tag }) => downs.has(tag));
  const isExpected = ({ tag, index }: Migration) =>
    atBase.has(tag) || (first !== -1 && index > first);
  return due
    .filter((migration) => isExpected(migration) && !downs.has(migration.tag))
    .map(({ tag, file }) => ({
      level: "error",
      fact: `${downNameOf(file, tag)} is not there: ${tag} has no way back.`,
      remedy: `\`tidemark down ${tag}\` writes it, and proves it.`,
      file,
    }));
}

function downNameOf(file: string, tag: Tag): string {
  return file.replace(/[^/\\]+$/, downFileOf(tag));
}

function noReason(file: string): Finding {
  return {
    level: "error",
    fact: `${file.replace(/\.sql$/, ".down.sql")} says \`-- irreversible:\` without a reason.`,
    remedy: "Write why behind it, or the way back below it without that line.",
    file: file.replace(/\.sql$/, ".down.sql"),
    line: 1,
  };
}

async function proofFinding(
  replay: Replay,
  { index, tag, file: up }: Migration,
  sql: string,
): Promise<Finding | undefined> {
  const file = downNameOf(up, tag);
  await replay.advance(index);
  const before = await readState(replay);
  await replay.advance(index + 1);
  const proof = await proveDown(replay, before, { file, sql });
  const reason = reasonOf(proof);
  if (reason === undefined) return undeclared(file, sql);
  return {
    level: "error",
    fact: `${file} does not lead back: ${reason}.`,
    remedy: `\`tidemark down ${tag}\` works it out anew; what cannot be taken back says \`-- irreversible: <why>\` in its first line.`,
    file,
    ...(proof.kind === "refused" && placeOf(proof.error)),
  };
}

/** It leads back, and destroys more than it says. */
async function undeclared(file: string, sql: string): Promise<Finding | undefined> {
  const said = sql.match(/^-- loses: .*$/gm)?.join("\n") ?? "";
  const drops = await lossesOf(sql, []);
  const writes = (await rowWritesIn(sql)).filter((what) => /\b(DELETE|TRUNCATE)\b/.test(what));
  const missing = [...drops.filter((what) => !said.includes(what)), ...(said === "" ? writes : [])];
  if (missing.length === 0) return undefined;
  return {
    level: "warning",
    fact: `${file} loses what it does not declare: ${missing.join(", ")}.`,
    remedy: "Write a line for each at its beginning: `-- loses: <what>`.",
    file,
  };
}

function failedRun(error: MigrateError, migration: Migration | undefined): Finding {
  return {
    level: "error",
    fact: failureText(error),
    remedy:
      "Correct the file if it was never applied; else a new migration cannot help, and the file must run on an empty database again. An extension that the embedded server lacks needs a server that has it: --scratch-url.",
    ...(migration && { file: migration.file }),
    ...placeOf(error),
  };
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
