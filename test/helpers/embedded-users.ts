import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { EmbeddedOptions } from "../../src/db/embedded/index.ts";

/** A separate OS process that uses an embedded server. */
export interface EmbeddedUser {
  readonly child: ChildProcess;
  /** Has it do something; the answer is what it wrote back, an `error` included. */
  tell(word: "acquire" | "release" | "churn"): Promise<Answer>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

interface Answer {
  readonly port?: number;
  readonly started?: boolean;
  readonly starts?: number;
  readonly version?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

export interface EmbeddedUserOptions {
  /** The script to run instead of this checkout's. */
  readonly script?: string;
  readonly nodeArguments?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

const SCRIPT = fileURLToPath(new URL("embedded-user-process.ts", import.meta.url));

/** Starts a user and waits until it listens, so that several can be released at one instant. */
export async function startEmbeddedUser(
  embedded: Pick<EmbeddedOptions, "dir" | "settings" | "database">,
  { script = SCRIPT, nodeArguments = [], env = {} }: EmbeddedUserOptions = {},
): Promise<EmbeddedUser> {
  const child = spawn(
    process.execPath,
    ["--import", "tsx", ...nodeArguments, script, JSON.stringify(embedded)],
    {
      // The checkout that the script is of.
      cwd: resolve(dirname(script), "../.."),
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...env },
      // A process group of its own, as a shell gives to each command: what Ctrl-C reaches.
      detached: true,
    },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<Answer> => {
    const { value, done } = await lines.next();
    if (done) {
      throw new Error(`the process ended with ${child.signalCode ?? child.exitCode}`);
    }
    return JSON.parse(value);
  };
  await nextLine();
  return {
    child,
    tell(word) {
      child.stdin.write(`${word}\n`);
      return nextLine();
    },
    async kill(signal) {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, "exit");
        process.kill(-(child.pid ?? 0), signal);
        await gone;
      }
    },
  };
}
