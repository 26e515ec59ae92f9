import { writeSumFile } from "../db/migrate/index.ts";
import { reporting } from "./support/command.ts";
import { type CommonFlags, resolveDir } from "./support/settings.ts";
import { sumText } from "./support/sum-text.ts";

/** `tidemark sum`: writes the sum file anew, after a change that is meant. */
export function runSum(flags: CommonFlags): Promise<number> {
  return reporting(flags, async (output) => {
    const written = await writeSumFile(await resolveDir(flags));
    output.json(written);
    output.print(sumText(written));
    return 0;
  });
}
