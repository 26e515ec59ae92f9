import { writeSumFile } from "../db/migrate/index.ts";
import { reporting } from "./support/command.ts";
import { resolveDir } from "./support/project-config.ts";
import type { CommonFlags } from "./support/settings.ts";
import { sumText } from "./support/written.ts";

/** `tidemark sum`: rewrites the sum file after an intended change. */
export function runSum(flags: CommonFlags): Promise<number> {
  return reporting(flags, async (output) => {
    const written = await writeSumFile(await resolveDir(flags));
    output.json(written);
    output.print(sumText(written));
    return 0;
  });
}
