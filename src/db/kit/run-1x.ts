import { writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { exists } from "../base/files.ts";
import type { Answering } from "./answers.ts";
import { runChild } from "./child.ts";
import { answerHints, createHints, type Hint } from "./hints.ts";
import { kitError, unexpected, unloadable, unreadable } from "./kit-errors.ts";
import type { LocatedKit } from "./locate.ts";
import type { KitProject } from "./model.ts";
import { canceled, refuseDialect } from "./run-errors.ts";
import {
  configScript,
  type Envelope,
  type FunctionsMessage,
  type FunctionsReply,
  functionsScript,
  type Unresolved,
} from "./script-1x.ts";

export interface FunctionsCall {
  readonly kit: LocatedKit;
  readonly project: KitProject;
  /** The folder that the copy stands for. */
  readonly dir: string;
  /** Where the copy is that it writes to, as `out`. */
  readonly scratch: string;
}

export interface Generate1x extends FunctionsCall {
  readonly name: string | undefined;
  readonly custom: boolean;
  readonly answering: Pick<Answering, "answer">;
}

/**
 * Lets drizzle-kit 1.x write the next migration into the copy, by its function `generate`: asked again
 * with more hints until it has no question left.
 *
 * @returns path of the migration's SQL; undefined where nothing has changed
 * @throws MigrateError `config`, `history_invalid` (what it says of the folder), `canceled`
 */
export async function generateByFunctions(call: Generate1x): Promise<string | undefined> {
  const { name, custom, answering } = call;
  const options = (hints: readonly Hint[]) => ({
    ...(name !== undefined && { name }),
    custom,
    hints,
  });
  let hints: readonly Hint[] = [];
  let asked: readonly Unresolved[] | undefined;
  let written: string | undefined;
  await callFunctions(call, (message) => {
    if (message === undefined) return { call: "generate", options: options(hints) };
    const { envelope, deltas = [] } = message;
    if (envelope.status === "missing_hints") {
      // All that was open has an answer by now.
      if (asked !== undefined) throw unexpected(call.kit, envelope);
      refuseOtherQuestions(call.kit, envelope.unresolved);
      asked = envelope.unresolved;
      // What is gone, it says only once nothing is open.
      return { call: "generate", options: options([...hints, ...createHints(asked)]) };
    }
    written = migrationOf(call.kit, envelope);
    if (asked === undefined) return { end: true };
    if (written === undefined) throw unexpected(call.kit, envelope);
    const answers = answerHints(asked, deltas, answering);
    asked = undefined;
    if (!answers.renames) return { end: true };
    hints = [...hints, ...answers.hints];
    return { call: "generate", options: options(hints), undo: true };
  });
  return written;
}

function migrationOf(kit: LocatedKit, envelope: Envelope): string | undefined {
  if (envelope.status === "no_changes") return undefined;
  if (envelope.status === "ok" && envelope.migration_path !== undefined)
    return envelope.migration_path;
  throw unexpected(kit, envelope);
}

/** It asks before it loses data only where it runs the SQL itself. */
function refuseOtherQuestions(kit: LocatedKit, unresolved: readonly Unresolved[]): void {
  const other = unresolved.find(({ type }) => type !== "rename_or_create");
  if (other !== undefined) throw unexpected(kit, other);
}

/** The statements that make the project's schema in an empty database, by its function `exportSql`. */
export async function exportByFunctions(call: FunctionsCall): Promise<readonly string[]> {
  let statements: readonly string[] = [];
  await callFunctions(call, (message) => {
    if (message === undefined) return { call: "exportSql", options: {} };
    const { envelope } = message;
    if (envelope.status !== "ok" || envelope.statements === undefined)
      throw unexpected(call.kit, envelope);
    statements = envelope.statements;
    return { end: true };
  });
  return statements;
}

type Returned = Extract<FunctionsMessage, { type: "returned" }>;

/**
 * Calls functions of drizzle-kit one after the other in one process.
 *
 * @param next the next call after what the last one returned, which is no error
 */
async function callFunctions(
  call: FunctionsCall,
  next: (returned: Returned | undefined) => FunctionsReply,
): Promise<void> {
  const { kit, project, scratch, dir } = call;
  const { cwd, signal } = project;
  const out = join(scratch, "out");
  const config = join(scratch, "drizzle.config.mjs");
  const script = join(scratch, "functions.mjs");
  const own = await configOf(project);
  await writeFile(config, configScript(own, out));
  await writeFile(script, functionsScript({ functions: kit.functions, config, out }));
  let failed: Extract<Envelope, { status: "error" }>["error"] | undefined;
  let isDone = false;
  const { ended } = await runChild<FunctionsMessage>({
    ...{ argv: [script], cwd, signal },
    reply: (message): FunctionsReply => {
      if (message.type === "unreadable")
        throw message.what === "configuration"
          ? unreadable(own, message.message)
          : unloadable(kit, message.message);
      if (message.type === "configured") {
        // Of one that is missing, drizzle-kit says more.
        if (typeof message.dialect === "string") refuseDialect(message.dialect);
        return next(undefined);
      }
      const { envelope } = message;
      if (envelope.status === "error") {
        failed = envelope.error;
        return { end: true };
      }
      const reply = next(message);
      isDone = "end" in reply;
      return reply;
    },
  });
  if (signal?.aborted) throw canceled();
  if (isDone && failed === undefined) return;
  const words = await wordsOf(call, config, out);
  throw kitError(failed, words === "" ? ended : words, dir);
}

/** The named configuration, else the one that drizzle-kit takes. */
async function configOf({ cwd, config }: KitProject): Promise<string> {
  if (config !== undefined) return resolve(cwd, config);
  for (const end of ["ts", "js"]) {
    const file = join(cwd, `drizzle.config.${end}`);
    if (await exists(file)) return file;
  }
  return join(cwd, "drizzle.config.json");
}

/** What the command says where the functions return only a code, or end the process in silence. */
async function wordsOf(
  { kit, project: { cwd, signal }, dir }: FunctionsCall,
  config: string,
  out: string,
): Promise<string> {
  const argv = [kit.bin, "generate", `--config=${config}`];
  const { output } = await runChild({ ...{ argv, cwd, signal }, reply: () => undefined });
  if (signal?.aborted) throw canceled();
  return output
    .split("\n")
    .filter((line) => !line.includes(basename(config)))
    .join("\n")
    .replaceAll(out, dir)
    .trim();
}
