import { realpath, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { MigrateError } from "../migrate/index.ts";
import type { Answering } from "./answers.ts";
import { runChild } from "./child.ts";
import { nameText } from "./full-names.ts";
import { hookScript, type KitMessage, type KitReply } from "./hook.ts";
import { type LocatedKit, unknownBundle } from "./locate.ts";
import type { KitProject } from "./model.ts";
import { canceled, refuseDialect } from "./run-errors.ts";

/** Lines of its output that do not help to see why it failed. */
const NOISE = /^(No config path provided|Reading config file|\d+ tables?$)/;

export interface GenerateCall {
  readonly kit: Pick<LocatedKit, "bin">;
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
 * Runs `drizzle-kit generate` of 0.31 to its end, with the hook loaded first; its statements.
 *
 * @throws MigrateError `config`, `canceled`
 */
export async function runGenerate(call: GenerateCall): Promise<readonly string[]> {
  const { cwd, config, signal } = call.project;
  const { bin } = call.kit;
  // drizzle-kit reads snapshots at `./<out>`: an absolute path would be one below the project.
  const out = relative(await realpath(cwd), join(await realpath(call.scratch), "out"));
  const script = join(call.scratch, "hook.cjs");
  await writeFile(script, hookScript({ bin, terminal: call.terminal !== undefined }));
  const configured = config === undefined ? [] : [`--config=${config}`];
  // Undefined if it did not get that far, whatever its exit code says.
  let statements: readonly string[] | undefined;
  let missing: readonly string[] | undefined;
  const files: Exports[] = [];
  const run = await runChild<KitMessage>({
    argv: ["--require", script, bin, "generate", ...configured, ...call.args],
    ...{ cwd, terminal: call.terminal, signal },
    reply: (message) => {
      if (message.type === "result") statements = message.statements;
      else if (message.type === "exports") files.push(message);
      else if (message.type === "unknown-bundle") missing = message.missing;
      return replyTo(message, out, call.answering);
    },
  });
  if (signal?.aborted || run.left) throw canceled();
  if (missing !== undefined) throw unknownBundle(bin, missing);
  // drizzle-kit reports some of them, but not their files, and takes one of the others.
  refuseDuplicates(files, cwd);
  if (statements !== undefined) return statements;
  const said = run.output
    .replaceAll(out, call.dir)
    .split("\n")
    .filter((line) => !NOISE.test(line))
    .join("\n")
    .trim();
  throw new MigrateError({
    code: "config",
    fact: `drizzle-kit generate ${run.ended}${said === "" ? ", without output." : `:\n${said}`}`,
    outcome: "nothing-written",
    remedy: "The migrations folder is as it was.",
  });
}

type Exports = Extract<KitMessage, { type: "exports" }>;

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
  refuseDialect(dialect);
  if (prefix !== "none") return;
  throw new MigrateError({
    code: "config",
    fact: 'The drizzle configuration has migrations.prefix "none", with which drizzle-kit 0.31 never reads its own snapshots again.',
    outcome: "nothing-written",
    remedy: 'Use "index" or "timestamp".',
  });
}

/**
 * Refuses a schema that defines a name twice: drizzle-kit silently takes the last table. An object
 * that is exported again, by an index file for example, is the same one.
 */
function refuseDuplicates(files: readonly Exports[], cwd: string): void {
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
