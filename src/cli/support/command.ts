import { existsSync } from "node:fs";
import { loadDotEnv } from "../../config.ts";
import { adviceOf, Problem } from "../../db/base/problem.ts";
import {
  DatabaseMigrator,
  describeTarget,
  errorJson,
  MigrateError,
  type TidemarkSettings,
  withParts,
} from "../../db/migrate/index.ts";
import { createOutput, type Output, type OutputFlags } from "./output.ts";
import { type CommonFlags, resolveSettings, type Settings, type Target } from "./settings.ts";
import { type Interrupts, watchSignals } from "./signals.ts";
import { UNEXPECTED_EXIT_CODE, unexpectedJson, unexpectedText } from "./unexpected.ts";

/** How long `repair` and `resolve` wait for a working runner. */
export const PATIENCE_SECONDS = "10";

/** What a command works with. */
export interface CommandContext {
  readonly output: Output;
  readonly migrator: DatabaseMigrator;
  /** Migrations folder. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Exit code for the signal that came; undefined if none did. */
  readonly interrupted: () => number | undefined;
  /** Says what to do next, on a development server. */
  readonly next: (text: string) => void;
}

/** What a command gets that uses the database in its own way. */
export interface DatabaseContext extends Omit<CommandContext, "migrator" | "dir"> {
  readonly url: string;
  /** Options of a migrator of that database. */
  readonly migrator: Settings["migrator"];
  /** The key `tidemark` of the configuration. */
  readonly settings: TidemarkSettings;
}

/** Runs a command that has a migrator work on the database. */
export async function withMigrator(
  flags: CommonFlags,
  work: (context: CommandContext) => Promise<number>,
): Promise<number> {
  return withDatabase(flags, ({ url, migrator, ...context }) =>
    work({ ...context, dir: migrator.dir, migrator: new DatabaseMigrator({ ...migrator, url }) }),
  );
}

/**
 * Runs a command that needs the database: resolves the settings, starts or joins the
 * embedded server if one is meant, and turns errors into text, JSON and
 * the exit code.
 */
export async function withDatabase(
  flags: CommonFlags,
  work: (context: DatabaseContext) => Promise<number>,
): Promise<number> {
  return reporting(flags, async (output, interrupts) => {
    loadDotEnv();
    const settings = await resolveSettings(flags);
    const { target, project, migrator } = settings;
    for (const warning of settings.warnings) output.error(`warning: ${warning}`);
    if (target.kind === "none") {
      output.json({ outcome: "no-url" });
      output.print("No database URL is set: nothing to do (--if-url).");
      return 0;
    }
    await refuseToServeNothing(settings);
    return withServer(target, output, (url) => {
      const { signal, exitCode: interrupted } = interrupts;
      const next = (text: string) => {
        // For developers only: a deployment has its next step in a script.
        if (target.kind === "embedded") output.note(`Next: ${text}`);
      };
      const { settings } = project;
      return work({ output, url, migrator, settings, signal, interrupted, next });
    });
  });
}

/**
 * A command typed in the wrong folder must not leave a server's data there:
 * the first start creates it.
 */
async function refuseToServeNothing({ target, migrator }: Settings): Promise<void> {
  if (target.kind !== "embedded" || existsSync(target.dir)) return;
  // Reads only the folder, and throws what the command would throw.
  await new DatabaseMigrator({ ...migrator, url: "postgres://localhost" }).fingerprint();
}

/** Runs a command; returns its exit code whatever it throws. */
export async function reporting(
  flags: OutputFlags,
  work: (output: Output, interrupts: Interrupts) => Promise<number>,
): Promise<number> {
  const output = createOutput(flags);
  const interrupts = watchSignals();
  try {
    return await work(output, interrupts);
  } catch (error) {
    const known = knownError(error);
    output.json(known ? errorJson(known) : unexpectedJson(error));
    output.error(known ? errorText(known, output) : unexpectedText(error));
    return interrupts.exitCode() ?? known?.exitCode ?? UNEXPECTED_EXIT_CODE;
  }
}

/** Of the rooms below the engine too, for what is wrong with settings and files. */
function knownError(error: unknown): MigrateError | undefined {
  if (error instanceof MigrateError) return error;
  if (!(error instanceof Problem)) return undefined;
  const { code, fact, outcome, remedy, place } = error;
  if (code !== "config" && code !== "history_invalid") return undefined;
  return new MigrateError({ code, fact, outcome, remedy, place, cause: error });
}

export function errorText(error: MigrateError, { errorColors }: Output): string {
  return `${errorColors.red(`error (${error.code})`)} ${error.fact}\n${errorColors.bold(adviceOf(error))}`;
}

/** Works with the database of a target: an embedded server is started or joined for it. */
export async function withServer(
  target: Exclude<Target, { kind: "none" }>,
  output: Output,
  work: (url: string) => Promise<number>,
): Promise<number> {
  if (target.kind === "url") return withUrl(target, output, work);
  // Loaded only by those who use it.
  const { acquireEmbeddedServer } = await import("../../db/embedded/index.ts");
  const server = await acquireEmbeddedServer({
    dir: target.dir,
    onProgress: (line) => output.note(output.errorColors.dim(line)),
  });
  try {
    return await work(server.url);
  } finally {
    await server.release();
  }
}

/** Which database it is, where neither an option nor our own variables say so; and whose it is in an error. */
async function withUrl(
  { url, source }: Extract<Target, { kind: "url" }>,
  output: Output,
  work: (url: string) => Promise<number>,
): Promise<number> {
  const isOurs = source === "--url" || source.endsWith("DATABASE_URL");
  if (!isOurs) output.note(output.errorColors.dim(`Database: ${describeTarget(url)} (${source})`));
  try {
    return await work(url);
  } catch (error) {
    if (!(error instanceof MigrateError && error.code === "connect") || source === "--url")
      throw error;
    throw withParts(error, { remedy: `${error.remedy} The connection comes from ${source}.` });
  }
}
