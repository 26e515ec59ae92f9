import { realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import { MigrateError } from "../migrate/index.ts";
import type { Answering } from "./answers.ts";
import { type KitRun, runKit } from "./child.ts";
import { nameText } from "./full-names.ts";
import type { KitMessage, KitReply } from "./hook.ts";
import { locateKit, unknownBundle } from "./locate.ts";
import type { KitProject } from "./model.ts";

/** Lines of its output that do not help to see why it failed. */
const NOISE = /^(No config path provided|Reading config file|\d+ tables?$)/;

export interface GenerateCall {
  readonly project: KitProject;
  /** The folder that the copy stands for. */
  readonly dir: string;
  readonly args: readonly string[];
  /** Where the copy is that it writes to, as `out`. */
  readonly scratch: string;
  readonly terminal?: 1 | 2 | undefined;
  readonly answering: Pick<Answering, "answer" | "prompted">;
}

/**
 * Runs `drizzle-kit generate` to its end; its statements.
 *
 * @throws MigrateError `config`, `canceled`
 */
export async function runGenerate(call: GenerateCall): Promise<readonly string[]> {
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
    reply: (message) => replyTo(message, out, call.answering),
  });
  const { statements, missing, ended, left } = run;
  if (signal?.aborted || left) throw canceled();
  if (missing !== undefined) throw unknownBundle(bin, missing);
  // drizzle-kit reports some of them, but not their files, and takes one of the others.
  refuseDuplicates(run.files, cwd);
  if (statements !== undefined) return statements;
  const said = run.output
    .replaceAll(out, call.dir)
    .split("\n")
    .filter((line) => !NOISE.test(line))
    .join("\n")
    .trim();
  throw new MigrateError({
    code: "config",
    fact: `drizzle-kit generate ${ended}${said === "" ? ", without output." : `:\n${said}`}`,
    outcome: "nothing-written",
    remedy: "The migrations folder is as it was.",
  });
}

export function canceled(): MigrateError {
  return new MigrateError({
    code: "canceled",
    fact: "Canceled.",
    outcome: "nothing-written",
    remedy: "The migrations folder is as it was.",
  });
}

function replyTo(
  message: KitMessage,
  out: string,
  answering: GenerateCall["answering"],
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

function refuseConfiguration({ dialect, prefix }: { dialect: string; prefix: string }): void {
  const refusal = (fact: string, remedy: string) =>
    new MigrateError({ code: "config", fact, outcome: "nothing-written", remedy });
  if (dialect !== "postgresql") {
    throw refusal(
      `The drizzle configuration has the dialect ${dialect}.`,
      "Tidemark only migrates PostgreSQL.",
    );
  }
  if (prefix === "none") {
    throw refusal(
      'The drizzle configuration has migrations.prefix "none", with which drizzle-kit 0.31 never reads its own snapshots again.',
      'Use "index" or "timestamp".',
    );
  }
}

/**
 * Refuses a schema that defines a name twice: drizzle-kit silently takes the last table. An object
 * that is exported again, by an index file for example, is the same one.
 */
function refuseDuplicates(files: KitRun["files"], cwd: string): void {
  const places = new Map<string, Map<number, string[]>>();
  for (const { file, exports } of files) {
    for (const { kind, schema, name, as, identity } of exports) {
      const what = `${kind} ${nameText([schema, name])}`;
      const found = places.get(what) ?? new Map<number, string[]>();
      places.set(what, found);
      const exportedBy = found.get(identity) ?? [];
      found.set(identity, exportedBy);
      exportedBy.push(`${relative(cwd, file)} (${as})`);
    }
  }
  const problems = [...places]
    .filter(([, found]) => found.size > 1)
    .map(([what, found]) => {
      const list = [...found.values()].map((exportedBy) => exportedBy.join(" = "));
      return `  ${what}: ${list.join(", ")}`;
    });
  if (problems.length === 0) return;
  throw new MigrateError({
    code: "config",
    fact: `The schema defines a name more than once:\n${problems.join("\n")}`,
    outcome: "nothing-written",
    remedy: "drizzle-kit would silently take one of them. Keep one, and import it elsewhere.",
  });
}
