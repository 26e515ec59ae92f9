import { writeDownFiles } from "../db/down/index.ts";
import { MigrateError } from "../db/migrate/index.ts";
import { reporting } from "./support/command.ts";
import { readProject } from "./support/project-config.ts";
import { type ScratchFlags, scratchOf } from "./support/scratch.ts";
import type { CommonFlags } from "./support/settings.ts";
import { downLine } from "./support/written.ts";

interface DownFlags extends CommonFlags, ScratchFlags {
  readonly missing?: boolean;
  readonly force?: boolean;
}

/** `tidemark down-file`: writes or renews down files, each verified on a scratch database. */
export function runDownFile(tags: readonly string[], flags: DownFlags): Promise<number> {
  return reporting(flags, async (output, { signal }) => {
    refuseNoChoice(tags, flags);
    const project = await readProject(flags, "folder");
    const { dir, warnings } = project;
    for (const warning of warnings) output.error(`warning: ${warning}`);
    const report = await writeDownFiles({
      dir,
      tags: flags.missing ? "missing" : tags,
      ...(flags.force && { force: true }),
      ...scratchOf(flags, project, output),
      signal,
      onDown: (tag, number, total) =>
        output.note(output.errorColors.dim(`${tag}: up, down, up (${number} of ${total})`)),
    });
    output.json(report);
    for (const written of report.files) output.print(downLine(written, output));
    output.print(report.sum ? `Wrote ${report.sum.file}.` : "Each migration has a down file.");
    return 0;
  });
}

function refuseNoChoice(tags: readonly string[], { missing }: DownFlags): void {
  if (tags.length > 0 !== Boolean(missing)) return;
  throw new MigrateError({
    code: "usage",
    fact: missing
      ? `Both tags (${tags.join(", ")}) and --missing are given.`
      : "No migration is named.",
    outcome: "nothing-written",
    remedy:
      "Name migrations (`tidemark down-file 0003_add_orgs`), or give --missing for all that have no down file.",
  });
}
