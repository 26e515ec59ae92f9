import { existsSync } from "node:fs";
import { loadDotEnv } from "../config.ts";
import { oneLine, plural } from "../db/base/text.ts";
import { MigrateError } from "../db/migrate/index.ts";
import {
  type AskedDatabase,
  type MovedMigration,
  type RebaseReport,
  rebaseFolder,
} from "../db/rebase/index.ts";
import { reporting, withServer } from "./support/command.ts";
import type { Output } from "./support/output.ts";
import { type ProjectConfig, readProject } from "./support/project-config.ts";
import { type ScratchFlags, scratchOf } from "./support/scratch.ts";
import { type CommonFlags, resolveSettings, type Settings } from "./support/settings.ts";
import { downLine } from "./support/written.ts";

interface RebaseFlags extends CommonFlags, ScratchFlags {
  readonly base?: string;
  readonly dryRun?: boolean;
}

/** How many statements are shown of those that no migration has. */
const SHOWN = 3;

/** `tidemark rebase`: this branch's own migrations come behind those of its base. */
export function runRebase(flags: RebaseFlags): Promise<number> {
  return reporting(flags, async (output, { signal }) => {
    const { base } = flags;
    if (base === undefined || base === "") throw noBase();
    loadDotEnv();
    const settings = await settingsOf(flags);
    const project = settings?.project ?? (await readProject(flags, "folder"));
    for (const warning of settings?.warnings ?? project.warnings)
      output.error(`warning: ${warning}`);
    return withAsked(settings, flags, output, async (database) => {
      const report = await rebaseFolder({
        ...{ cwd: process.cwd(), dir: project.dir, base, database, signal },
        config: flags.config,
        dryRun: flags.dryRun ?? false,
        ...scratchOf(flags, project, output),
        onStep: (tag) => output.note(output.errorColors.dim(`${tag}: tried behind ${base}`)),
      });
      print(report, project, output);
      return 0;
    });
  });
}

/** Undefined where no database is configured: then none is asked. */
async function settingsOf(flags: RebaseFlags): Promise<Settings | undefined> {
  const settings = await resolveSettings({ ...flags, ifUrl: flags.url === undefined });
  return settings.target.kind === "none" ? undefined : settings;
}

function withAsked(
  settings: Settings | undefined,
  flags: RebaseFlags,
  output: Output,
  work: (database: AskedDatabase | undefined) => Promise<number>,
): Promise<number> {
  if (settings === undefined || settings.target.kind === "none") return work(undefined);
  // One that was never started has run nothing.
  if (settings.target.kind === "embedded" && !existsSync(settings.target.dir))
    return work(undefined);
  const { dir: _dir, ...options } = settings.migrator;
  return withServer(settings.target, output, (url) =>
    work({ url, options, isNamed: flags.url !== undefined }),
  );
}

function noBase(): MigrateError {
  return new MigrateError({
    code: "usage",
    fact: "No base is named.",
    outcome: "nothing-written",
    remedy: "Name the branch whose migrations come first: `tidemark rebase --base origin/main`.",
  });
}

function print(report: RebaseReport, { dir }: ProjectConfig, output: Output): void {
  output.json({
    ...report,
    moved: report.moved.map(({ when = null, down, ...move }) => ({
      ...{ ...move, when },
      down:
        down === undefined
          ? null
          : {
              kind: down.kind,
              loses: down.loses,
              reason: down.reason ?? null,
              byHand: down.isByHand,
            },
    })),
    database: report.database ?? null,
    left: report.left ?? null,
  });
  if (report.finished) output.print("Finished a rebase that was killed on its last steps.");
  if (report.outcome === "nothing") {
    output.print(
      `Nothing to move: the migrations of this branch come behind those of ${report.base}.`,
    );
    return;
  }
  for (const warning of report.warnings) {
    output.error(output.errorColors.yellow(`warning: ${warning}.`));
  }
  for (const statement of report.left?.slice(0, SHOWN) ?? []) {
    output.error(`  ${oneLine(statement, 90)}`);
  }
  for (const move of report.moved) printMove(move, output);
  const { database } = report;
  if (database?.asked === false) {
    output.note(
      `No database was asked whether it has run them: ${database.reason.replace(/\.$/, "")}.`,
    );
  }
  const count = plural(report.moved.length, "migration");
  if (report.outcome === "planned") {
    output.print(`Would move ${count} behind those of ${report.base}. Nothing was written.`);
    return;
  }
  output.print(`Moved ${count} behind those of ${report.base}.`);
  output.note(
    `Next: \`git add --all ${dir}\`, finish the merge, then \`tidemark verify --base ${report.base}\`.`,
  );
}

function printMove({ from, to, file, snapshot, down }: MovedMigration, output: Output): void {
  const name = from === to ? `${from} stays` : `${from} → ${to}`;
  output.print(`${name} (snapshot: ${SNAPSHOT[snapshot]})`);
  if (down === undefined) return;
  const path = file.replace(/\.sql$/, ".down.sql");
  const outcome = down.isByHand ? "unchanged" : "renewed";
  output.print(downLine({ ...down, file: path, outcome }, output));
}

const SNAPSHOT: Readonly<Record<MovedMigration["snapshot"], string>> = {
  derived: "derived",
  schema: "of the Drizzle schema",
  none: "none",
  lost: "lost",
};
