import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { inject } from "vitest";
import type { TestDatabaseOptions } from "../../src/db/testing/index.ts";

export interface Created {
  readonly url: string;
  readonly name: string;
}

/** A worker of a test runner: an OS process that asks for test databases. */
export interface TestProcess {
  readonly child: ChildProcess;
  readonly create: (options: TestDatabaseOptions) => Promise<Created>;
  readonly drop: () => Promise<void>;
}

/** Starts one, up to the barrier: it has loaded its modules and waits. */
export async function startTestProcess(
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<TestProcess> {
  const script = fileURLToPath(new URL("testing-child.mjs", import.meta.url));
  const module = pathToFileURL(join(inject("build"), "db/testing/index.js")).href;
  const { PATH = "", HOME = "" } = process.env;
  const child = fork(script, [module], {
    env: { PATH, HOME, ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    execArgv: [],
  });
  const answer = async (): Promise<Created> => {
    const ended = once(child, "exit").then(([code, signal]) => {
      throw new Error(`the process ended with ${code ?? signal}`);
    });
    const [message] = await Promise.race([once(child, "message"), ended]);
    if (message.error) throw Object.assign(new Error(message.error.message), message.error);
    return message;
  };
  await answer();
  return {
    child,
    create: (databaseOptions) => {
      child.send({ kind: "create", options: databaseOptions });
      return answer();
    },
    drop: async () => {
      const gone = once(child, "exit");
      child.send({ kind: "drop" });
      await answer();
      await gone;
    },
  };
}
