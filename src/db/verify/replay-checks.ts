import { plural } from "../base/text.ts";
import {
  downPathOf,
  irreversibleReason,
  lossesOf,
  proveDown,
  readState,
  reasonOf,
} from "../down/index.ts";
import { type History, MigrateError, type Migration, type Tag } from "../migrate/index.ts";
import type { Replay } from "../scratch/replay.ts";
import { rowWritesIn, writeText } from "../sql-tree/row-writes.ts";
import { errorFinding, type Finding, type Outcome } from "./findings.ts";

/** The whole history runs on an empty database. @returns how many migrations do */
export async function checkReplay(replay: Replay): Promise<Outcome & { readonly count: number }> {
  const { migrations } = replay;
  const count = migrations.length;
  try {
    await replay.advance(count);
    return { findings: [], detail: plural(count, "migration"), count };
  } catch (error) {
    if (!(error instanceof MigrateError) || error.code === "canceled") throw error;
    const failed = migrations.find(({ tag }) => tag === error.tag);
    const finding: Finding = {
      ...errorFinding(error),
      fact: error.failure,
      remedy:
        "Correct the file if it was never applied; otherwise a new migration cannot help, and the file must be made to run on an empty database again. If it needs an extension that the embedded server lacks, name a server that has it: --scratch-url.",
      ...(failed && { file: failed.file }),
    };
    return { findings: [finding], count: failed?.index ?? 0 };
  }
}

/** With everything applied, a run finds nothing to do, and the ledger agrees. */
export async function checkRerun(replay: Replay): Promise<Outcome> {
  const fact = await rerunProblem(replay);
  if (fact === undefined) return { findings: [] };
  const remedy =
    "A migration must leave Tidemark's own schema alone: look for statements that drop, delete or update something there.";
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
    return `A second run, with nothing left to do, fails: ${error.fact}`;
  }
}

export interface DownCheckOptions {
  readonly history: History;
  /** Texts of the down files that exist. */
  readonly downs: ReadonlyMap<Tag, string>;
  /** Whether the base has a migration's down file. */
  readonly isAtBase: (tag: Tag) => boolean;
  /** Whether to prove a migration's down file: the others were proven when they were new. */
  readonly isDue: (tag: Tag) => boolean;
  /** How many migrations run on an empty database, from the first. */
  readonly count: number;
  readonly onProof: (tag: Tag, number: number, total: number) => void;
}

/** Down, compare, and up again, for each down file; and none is missing. */
export async function checkDowns(replay: Replay, options: DownCheckOptions): Promise<Outcome> {
  const { history, downs, isDue, count, onProof } = options;
  const due = history.migrations.filter(({ tag }) => isDue(tag));
  const findings: Finding[] = [...missingDowns(due, options)];
  const present = due.flatMap((migration) => {
    const sql = downs.get(migration.tag);
    return sql === undefined ? [] : [{ ...migration, down: sql, reason: irreversibleReason(sql) }];
  });
  const provable = present.filter(({ index, reason }) => index < count && reason === undefined);
  for (const [number, migration] of provable.entries()) {
    onProof(migration.tag, number + 1, provable.length);
    const finding = await proofFinding(replay, migration);
    if (finding !== undefined) findings.push(finding);
  }
  const irreversible = present.filter(({ reason }) => reason !== undefined);
  for (const { reason, ...migration } of irreversible) {
    if (reason === "") findings.push(noReason(downPathOf(migration)));
  }
  const given = irreversible.length === 0 ? "" : `, ${irreversible.length} irreversible`;
  const detail =
    downs.size === 0
      ? "no down files: `tidemark down-file --missing` writes them"
      : `${provable.length} of ${plural(downs.size, "down file")}${given}`;
  return { findings, detail, skipped: downs.size === 0 };
}

/** Without any down file none is missing, and migrations before the first one never had one. */
function missingDowns(
  due: readonly Migration[],
  { history: { migrations }, downs, isAtBase }: DownCheckOptions,
): readonly Finding[] {
  const first = migrations.findIndex(({ tag }) => downs.has(tag));
  return due
    .filter(({ tag, index }) => isAtBase(tag) || (first !== -1 && index > first))
    .filter(({ tag }) => !downs.has(tag))
    .map((migration) => ({
      level: "error",
      fact: `${downPathOf(migration)} is missing: ${migration.tag} has no way back.`,
      remedy: `\`tidemark down-file ${migration.tag}\` writes and proves it.`,
      file: migration.file,
    }));
}

function noReason(file: string): Finding {
  return {
    level: "error",
    fact: `${file} says \`-- irreversible:\` without a reason.`,
    remedy: "Add the reason after the colon, or delete that line and write the rollback SQL.",
    file,
    line: 1,
  };
}

async function proofFinding(
  replay: Replay,
  migration: Migration & { readonly down: string },
): Promise<Finding | undefined> {
  const { index, tag, down: sql } = migration;
  const file = downPathOf(migration);
  await replay.advance(index);
  const before = await readState(replay);
  await replay.advance(index + 1);
  const proof = await proveDown(replay, before, { file, sql });
  const reason = reasonOf(proof);
  if (reason === undefined) return undeclared(file, sql);
  return {
    ...(proof.kind === "refused" && errorFinding(proof.error)),
    level: "error",
    fact: `${file} does not lead back: ${reason}.`,
    remedy: `\`tidemark down-file ${tag}\` generates it again; if there is no way back, its first line must be \`-- irreversible: <why>\`.`,
    file,
  };
}

/** It leads back, and destroys more than it says. */
async function undeclared(file: string, sql: string): Promise<Finding | undefined> {
  const said = sql.match(/^-- loses: .*$/gm)?.join("\n") ?? "";
  const drops = await lossesOf(sql, []);
  const writes = (await rowWritesIn(sql))
    .filter(({ verb }) => verb === "DELETE" || verb === "TRUNCATE")
    .map(writeText);
  const missing = [...drops.filter((what) => !said.includes(what)), ...(said === "" ? writes : [])];
  if (missing.length === 0) return undefined;
  return {
    level: "warning",
    fact: `${file} loses data without declaring it: ${missing.join(", ")}.`,
    remedy: "Add a line for each at its beginning: `-- loses: <what>`.",
    file,
  };
}
