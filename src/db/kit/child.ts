import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { hookScript, type KitMessage, type KitReply, MARK } from "./hook.ts";

const KILL_AFTER_MS = 2_000;
const DRAIN_MS = 1_000;

export interface KitCall {
  readonly bin: string;
  readonly cwd: string;
  readonly args: readonly string[];
  /** Folder for the script that is loaded first. */
  readonly scratch: string;
  readonly terminal: 1 | 2 | undefined;
  readonly signal: AbortSignal | undefined;
  /** Answers its questions; throwing ends the process. */
  readonly reply: (message: KitMessage) => KitReply | undefined;
}

export type KitRun = Awaited<ReturnType<typeof runKit>>;

/**
 * Runs drizzle-kit to its end, with the hook loaded first. Its exit code is reported, never trusted.
 *
 * @throws what `reply` throws, once the process is gone
 */
export async function runKit(call: KitCall) {
  const { bin, cwd, args, scratch, terminal, signal, reply } = call;
  const script = join(scratch, "hook.cjs");
  await writeFile(script, hookScript({ bin, terminal: terminal !== undefined }));
  const { TEST_CONFIG_PATH_PREFIX: _, ...env } = process.env;
  const child = spawn(process.execPath, ["--require", script, bin, ...args], {
    cwd,
    env,
    stdio: [terminal === undefined ? "ignore" : "inherit", terminal ?? "pipe", "pipe", "ipc"],
  });

  let statements: readonly string[] | undefined;
  let missing: readonly string[] | undefined;
  let output = "";
  let isAsking = false;
  let thrown: { readonly error: unknown } | undefined;
  const files: Extract<KitMessage, { type: "exports" }>[] = [];
  const stop = () => {
    child.kill("SIGTERM");
    setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS).unref();
  };

  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  child.on("message", (message) => {
    if (!isOurs(message)) return;
    if (message.type === "output") output += message.text;
    else if (message.type === "result") statements = message.statements;
    else if (message.type === "exports") files.push(message);
    else if (message.type === "unknown-bundle") missing = message.missing;
    isAsking = message.type === "prompting" || (isAsking && message.type === "output");
    try {
      const answer = reply(message);
      // The process may be gone by now, which its end will tell.
      if (answer !== undefined) child.send(answer, () => undefined);
    } catch (error) {
      thrown ??= { error };
      stop();
    }
  });
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop, { once: true });

  let drain: NodeJS.Timeout | undefined;
  const ended = await new Promise<string>((resolve, reject) => {
    child.on("error", reject);
    const tell = (code: number | null, how: NodeJS.Signals | null) =>
      resolve(code === null ? `was ended by ${how}` : `ended with exit code ${code}`);
    // Processes that it started may keep its streams open.
    child.on("exit", (code, how) => {
      drain = setTimeout(tell, DRAIN_MS, code, how);
    });
    child.on("close", tell);
  }).finally(() => {
    clearTimeout(drain);
    signal?.removeEventListener("abort", stop);
  });
  if (thrown !== undefined) throw thrown.error;
  return {
    /** Undefined if it did not get that far, whatever its exit code says. */
    statements,
    files,
    missing,
    /** A person left in the middle of a question. */
    left: isAsking,
    ended,
    output: stripVTControlCharacters(output),
  };
}

function isOurs(message: unknown): message is KitMessage {
  return typeof message === "object" && message !== null && MARK in message;
}
