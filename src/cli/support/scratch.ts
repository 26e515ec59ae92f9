import { join } from "node:path";
import type { ScratchOptions } from "../../db/scratch/index.ts";
import type { Output } from "./output.ts";
import type { ProjectConfig } from "./project-config.ts";
import type { CommonFlags } from "./settings.ts";

export interface ScratchFlags extends Pick<CommonFlags, "ledgerSchema"> {
  readonly scratchUrl?: string;
}

/** Where a history is tried: the server of `--scratch-url` or of the configuration, else this folder's embedded one. */
export function scratchOf(
  { scratchUrl, ledgerSchema }: ScratchFlags,
  { settings, drizzle }: Pick<ProjectConfig, "settings" | "drizzle">,
  output: Output,
): { readonly scratch: ScratchOptions; readonly ledgerSchema: string } {
  return {
    scratch: {
      dir: join(process.cwd(), ".tidemark"),
      url: scratchUrl ?? settings.scratchUrl,
      drizzleTable: drizzle.drizzleTable,
      onProgress: (line) => output.note(output.errorColors.dim(line)),
    },
    ledgerSchema: ledgerSchema ?? settings.ledgerSchema ?? "tidemark",
  };
}
