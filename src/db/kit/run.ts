import { realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import { MigrateError } from "../migrate/index.ts";
import type { Answering } from "./answers.ts";
import { type KitRun, runKit } from "./child.ts";
import { refuseDuplicates } from "./duplicates.ts";
import { canceled, kitFailed } from "./errors.ts";
import type { KitMessage, KitReply } from "./hook.ts";
import { locateKit, unknownBundle } from "./locate.ts";
import type { KitProject } from "./types.ts";

/** Lines that are of no use to who reads why it failed. */
const NOISE = /^(No config path provided|Reading config file|\d+ tables?$)/;

export interface GenerateCall {
  readonly project: KitProject;
  /** The copy that it writes to, and the folder that is meant. */
  readonly out: { readonly copy: string; readonly dir: string };
  readonly args: readonly string[];
  readonly scratch: string;
  readonly terminal?: 1 | 2 | undefined;
  readonly answering: Pick<Answering, "answer" | "prompted">;
}

/**
 * Runs `drizzle-kit generate` to its end.
 *
 * @throws MigrateError `config`, `canceled`
 */
export async function runGenerate(
  call: GenerateCall,
): Promise<KitRun & { readonly statements: readonly string[] }> {
  const { cwd, config, signal } = call.project;
  const bin = await locateKit(cwd);
  // drizzle-kit reads snapshots at `./<out>`: an absolute path would be one below the project.
  const out = relative(await realpath(cwd), join(await realpath(call.scratch), "out"));
  const run = await runKit({
    bin,
    cwd,
    args: ["generate", ...(config === undefined ? [] : [`--config=${config}`]), ...call.args],
    scratch: call.scratch,
    terminal: call.terminal,
    signal,
    reply: (message) => replyTo(message, { out, answering: call.answering }),
  });
  const { statements, missing, ended, left } = run;
  if (signal?.aborted || left) throw canceled();
  if (missing !== undefined) throw unknownBundle(bin, missing);
  // Of some it tells, and not in which files; it would take one of the others.
  refuseDuplicates(run.files, cwd);
  if (statements === undefined) {
    const said = run.output
      .replaceAll(out, call.out.dir)
      .split("\n")
      .filter((line) => !NOISE.test(line))
      .join("\n")
      .trim();
    throw kitFailed(`${ended}${said === "" ? ", without a word." : `:\n${said}`}`);
  }
  return { ...run, statements };
}

function replyTo(
  message: KitMessage,
  { out, answering }: { readonly out: string } & Pick<GenerateCall, "answering">,
): KitReply | undefined {
  switch (message.type) {
    case "configured":
      refuseConfiguration(message);
      return { out };
    case "question":
      return { pick: answering.answer(message) };
    case "prompted":
      answering.prompted(message.choice);
      return undefined;
    default:
      return undefined;
  }
}

function refuseConfiguration({
  dialect,
  prefix,
}: {
  readonly dialect: string;
  readonly prefix: string;
}): void {
  const refuse = (fact: string, remedy: string) =>
    new MigrateError({ code: "config", fact, outcome: "nothing-written", remedy: `${remedy}` });
  if (dialect !== "postgresql") {
    throw refuse(
      `The drizzle configuration has the dialect ${dialect}.`,
      "Tidemark migrates PostgreSQL alone.",
    );
  }
  if (prefix === "none") {
    throw refuse(
      'The drizzle configuration has migrations.prefix "none", with which drizzle-kit 0.31 never reads its own snapshots again.',
      'Take "index" or "timestamp".',
    );
  }
}
