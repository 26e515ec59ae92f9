import { buildSteps, writeNewStep } from "../db/step-files/index.ts";
import { reporting } from "./support/command.ts";
import { readProject } from "./support/project-config.ts";
import { type ScratchFlags, scratchOf } from "./support/scratch.ts";
import type { CommonFlags } from "./support/settings.ts";

/** `tidemark step`: writes the code step of a migration from a template, with the schema that it sees. */
export function runStep(tag: string, flags: CommonFlags & ScratchFlags): Promise<number> {
  return reporting(flags, async (output, { signal }) => {
    const project = await readProject(flags, "folder");
    for (const warning of project.warnings) output.error(`warning: ${warning}`);
    const written = await writeNewStep({
      ...{ cwd: process.cwd(), dir: project.dir, tag, signal },
      ...scratchOf(flags, project, output),
    });
    output.json(written);
    if (written.file !== null) output.print(`Wrote ${written.file}: write what it does.`);
    output.print(`Wrote ${written.schema}: the schema as ${written.tag} leaves it.`);
    return 0;
  });
}

/** `tidemark build-steps`: the migrations folder with its code steps compiled, for an image. */
export function runBuildSteps(flags: CommonFlags & { readonly out?: string }): Promise<number> {
  return reporting(flags, async (output) => {
    const { dir, warnings } = await readProject(flags, "folder");
    for (const warning of warnings) output.error(`warning: ${warning}`);
    const built = await buildSteps({ cwd: process.cwd(), dir, out: flags.out ?? "dist/drizzle" });
    output.json(built);
    for (const { file } of built.steps) output.print(`Wrote ${file}.`);
    output.print(`Wrote ${built.out}: ${built.steps.length} compiled.`);
    return 0;
  });
}
