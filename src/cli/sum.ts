import { writeSumFile } from "../db/migrate/index.ts";
import { reporting } from "./support/command.ts";
import { readProject } from "./support/project-config.ts";
import type { CommonFlags } from "./support/settings.ts";
import { sumText } from "./support/written.ts";

/** `tidemark sum`: rewrites the sum file after an intended change. */
export function runSum(flags: CommonFlags): Promise<number> {
  return reporting(flags, async (output) => {
    const { dir, warnings } = await readProject(flags, "folder");
    for (const warning of warnings) output.error(`warning: ${warning}`);
    const written = await writeSumFile(dir);
    output.json(written);
    output.print(sumText(written));
    return 0;
  });
}
