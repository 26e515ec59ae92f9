import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { DatabaseMigrator, MigrateError, writeSumFile } from "../db/migrate/index.ts";
import { reporting } from "./support/command.ts";
import { type CommonFlags, resolveDir } from "./support/settings.ts";

export interface GenerateFlags extends CommonFlags {
  readonly custom?: boolean;
}

/** `tidemark generate`: drizzle-kit generate, then the sum file. */
export function runGenerate(name: string | undefined, flags: GenerateFlags): Promise<number> {
  return reporting(flags, async (output) => {
    const dir = await resolveDir(flags);
    await refuseUnmeantChanges(dir);
    await runDrizzleKit([
      "generate",
      ...(name === undefined ? [] : ["--name", name]),
      ...(flags.custom ? ["--custom"] : []),
      ...(flags.config === undefined ? [] : ["--config", flags.config]),
    ]);
    const written = await writeSumFile(dir);
    output.json(written);
    output.print(`Wrote ${written.file}: ${written.migrations} migrations, head ${written.head}.`);
    if (flags.custom) {
      output.note("Next: write SQL into the new file, which is empty, then run `tidemark sum`.");
    }
    return 0;
  });
}

/** The sum file that is written next would vouch for a file that was edited by mistake. */
async function refuseUnmeantChanges(dir: string): Promise<void> {
  if (!existsSync(join(dir, "tidemark.sum"))) return;
  // Reads the folder alone, and holds it against its sum file.
  await new DatabaseMigrator({ dir, url: "postgres://localhost" }).fingerprint();
}

/** What drizzle-kit says goes to stderr: stdout is the command's own. */
function runDrizzleKit(args: readonly string[]): Promise<void> {
  const file = findDrizzleKit();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file, ...args], {
      stdio: ["inherit", process.stdout.isTTY ? "inherit" : process.stderr, "inherit"],
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (code === 0) resolve();
      else reject(drizzleKitFailed(args, code ?? signal));
    });
  });
}

/** The project's own drizzle-kit: its version decides what is generated. */
function findDrizzleKit(): string {
  try {
    const project = createRequire(join(process.cwd(), "package.json"));
    return join(dirname(project.resolve("drizzle-kit")), "bin.cjs");
  } catch (cause) {
    throw new MigrateError({
      code: "config",
      fact: `drizzle-kit is not installed in ${process.cwd()}.`,
      remedy: "Nothing was written. Install it with npm install --save-dev drizzle-kit.",
      cause,
    });
  }
}

function drizzleKitFailed(args: readonly string[], how: number | string | null): MigrateError {
  return new MigrateError({
    code: "history_invalid",
    fact: `drizzle-kit ${args.join(" ")} ended with ${how}.`,
    remedy: "Its message stands above. tidemark.sum was left as it was.",
  });
}
