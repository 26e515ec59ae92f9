import { writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { exists } from "../base/files.ts";
import { MigrateError } from "../migrate/index.ts";
import type { Answering } from "./answers.ts";
import { runChild } from "./child.ts";
import { answerHints, createHints, type Hint } from "./hints.ts";
import { kitError } from "./kit-errors.ts";
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
    if (envelope.status === "missing_hints" && asked === undefined) {
      // What is gone, it says only once nothing is open.
      asked = envelope.unresolved;
      return { call: "generate", options: options([...hints, ...createHints(asked)]) };
    }
    written = envelope.status === "ok" ? envelope.migration_path : undefined;
    if (asked === undefined) return { end: true };
    const answers = answerHints(asked, deltas, answering);
    asked = undefined;
    if (!answers.renames) return { end: true };
    hints = [...hints, ...answers.hints];
    return { call: "generate", options: options(hints), undo: true };
  });
  return written;
}

/** The statements that make the project's schema in an empty database, by its function `exportSql`. */
export async function exportByFunctions(call: FunctionsCall): Promise<readonly string[]> {
  let statements: readonly string[] = [];
  await callFunctions(call, (message) => {
    if (message === undefined) return { call: "exportSql", options: {} };
    if (message.envelope.status === "ok") statements = message.envelope.statements ?? [];
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
  await writeFile(script, functionsScript({ functions: kit.functions, config }));
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

function unreadable(config: string, message: string): MigrateError {
  return new MigrateError({
    code: "config",
    fact: `${config} cannot be read: ${message.split("\n")[0]}`,
    outcome: "nothing-written",
    remedy: "Correct it, and generate again.",
  });
}

function unloadable({ version }: LocatedKit, message: string): MigrateError {
  return new MigrateError({
    code: "config",
    fact: `drizzle-kit ${version} cannot be loaded: ${message.split("\n")[0]}`,
    outcome: "nothing-written",
    remedy: `It needs the drizzle-orm of its own version: npm install drizzle-orm@${version}.`,
  });
}
