import { spawn } from "node:child_process";
import { stripVTControlCharacters } from "node:util";
import { MARK } from "./hook.ts";

const KILL_AFTER_MS = 2_000;
const DRAIN_MS = 1_000;

/** What every script of ours may say beside its own messages. */
type Marked = { readonly type: string; readonly text?: string };

export interface ChildCall<Message extends Marked> {
  /** Arguments of node. */
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly terminal?: 1 | 2 | undefined;
  readonly signal: AbortSignal | undefined;
  /** Hears its messages, and answers those that wait; throwing ends the process. */
  readonly reply: (message: Message) => object | undefined;
}

/**
 * Runs a process with drizzle-kit in it to its end. Its exit code is reported, never trusted.
 *
 * @throws what `reply` throws, once the process is gone
 */
export async function runChild<Message extends Marked>(call: ChildCall<Message>) {
  const { argv, cwd, terminal, signal, reply } = call;
  const { TEST_CONFIG_PATH_PREFIX: _, ...env } = process.env;
  const child = spawn(process.execPath, argv, {
    cwd,
    env,
    stdio: [terminal === undefined ? "ignore" : "inherit", terminal ?? "pipe", "pipe", "ipc"],
  });

  let output = "";
  let isAsking = false;
  let thrown: { readonly error: unknown } | undefined;
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
    if (!isOurs<Message>(message)) return;
    if (message.type === "output") output += message.text ?? "";
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
    /** A person left in the middle of a question. */
    left: isAsking,
    ended,
    output: stripVTControlCharacters(output),
  };
}

function isOurs<Message extends Marked>(message: unknown): message is Message {
  return typeof message === "object" && message !== null && MARK in message;
}
