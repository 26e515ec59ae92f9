import { pause } from "../db/base/backoff.ts";
import {
  type BackfillAction,
  type BackfillOutcome,
  type BackfillStatus,
  MigrateError,
} from "../db/migrate/index.ts";
import { backfillCells, backfillLine } from "./support/backfill-text.ts";
import { type CommandContext, withMigrator } from "./support/command.ts";
import { withProgress } from "./support/progress.ts";
import type { CommonFlags } from "./support/settings.ts";

interface BackfillFlags extends CommonFlags {
  readonly watch?: boolean;
}

const WATCH_EVERY_MS = 2_000;
const HEAD = ["backfill", "state", "rows", "per second", "left", "worker"];

/** `tidemark backfill`: lists backfills, runs those of the background, pauses, resumes or cancels one. */
export function runBackfill(
  action: string | undefined,
  tag: string | undefined,
  flags: BackfillFlags,
): Promise<number> {
  return withMigrator(flags, (context) => {
    switch (action ?? "list") {
      case "list":
        return list(context, tag);
      case "run":
        return work(context, tag, flags.watch ?? false);
      case "pause":
      case "resume":
      case "cancel":
        return change(context, action as BackfillAction, tag);
      default:
        throw usage(`There is no \`tidemark backfill ${action}\`.`);
    }
  });
}

async function list({ output, migrator, signal }: CommandContext, tag?: string): Promise<number> {
  const all = await migrator.backfills.list({ signal });
  const found = tag === undefined ? all : all.filter((one) => one.tag === tag);
  output.json({ backfills: found });
  if (output.mode !== "text") return 0;
  if (found.length === 0) {
    output.print(tag === undefined ? "No backfills." : `There is no backfill ${tag}.`);
    return 0;
  }
  const { columnsOf, terminalWidth } = await import("./support/table.ts");
  const lines = columnsOf([HEAD, ...found.map(backfillCells)], terminalWidth());
  output.print(lines.join("\n"));
  for (const one of found) {
    if (one.reason !== null) output.print(`${one.tag} waits: ${one.reason}`);
    if (one.error !== null) output.print(`${one.tag}: ${one.error.text}`);
  }
  return 0;
}

/** Runs what waits for a worker; with `--watch` until it is told to stop. */
async function work(
  context: CommandContext,
  tag: string | undefined,
  watch: boolean,
): Promise<number> {
  const { output, migrator, signal, interrupted } = context;
  const outcomes: BackfillOutcome[] = [];
  try {
    await withProgress(output, async (onProgress) => {
      for (;;) {
        const ended = await migrator.backfills.run({ signal, onProgress, tag });
        outcomes.push(...ended);
        for (const one of ended) output.note(outcomeText(one));
        if (!watch) return;
        await pause(WATCH_EVERY_MS, signal);
      }
    });
  } catch (error) {
    // Stopping is the normal way to end it.
    if (!watch || !signal.aborted) throw error;
  }
  output.json({ backfills: outcomes });
  if (outcomes.length === 0 && !watch) output.print("No backfill waits for a worker.");
  return outcomes.some(({ end }) => end === "failed") ? 1 : (watch && interrupted()) || 0;
}

async function change(
  { output, migrator, signal }: CommandContext,
  action: BackfillAction,
  tag: string | undefined,
): Promise<number> {
  if (tag === undefined) throw usage(`\`tidemark backfill ${action}\` has no tag.`);
  const changed: BackfillStatus = await migrator.backfills[action](tag, { signal });
  output.json(changed);
  output.print(
    changed.wanted === null ? backfillLine(changed) : `${tag} will ${action} after its batch.`,
  );
  return 0;
}

function outcomeText({ tag, end, error }: BackfillOutcome): string {
  return end === "failed" ? `${tag} failed: ${error}` : `${tag} ${end}`;
}

function usage(fact: string): MigrateError {
  return new MigrateError({
    code: "usage",
    fact,
    outcome: "nothing-run",
    remedy: "`tidemark backfill list`, `run [tag]`, `pause <tag>`, `resume <tag>`, `cancel <tag>`.",
  });
}
