import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { expect, inject } from "vitest";

export interface AppProcess {
  readonly child: ChildProcess;
  /** Resolves when it listens. */
  readonly url: Promise<string>;
  /** Resolves when the details have a listener of their own, to where that is. */
  readonly detailsUrl: Promise<string>;
  readonly end: Promise<{ readonly code: number | null; readonly log: string }>;
  /** All that it printed so far. */
  readonly log: () => string;
  /** What `/readyz` says now. */
  readonly readyz: () => Promise<{
    readonly status: number;
    readonly body: Record<string, unknown>;
  }>;
  /** Resolves when `/readyz` is 200. */
  readonly isReady: () => Promise<void>;
}

/** Starts the application as a deployment does, on a free port, with nothing of ours in its environment. */
export function startApp(
  cwd: string,
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): AppProcess {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, [join(inject("build"), "main.js"), ...args], {
    cwd,
    env: { PATH, HOME, PORT: "0", HOST: "127.0.0.1", FAILURE_LINGER_SECONDS: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return watchApp(child);
}

/** Follows an application that was started. */
export function watchApp(child: ChildProcessByStdio<null, Readable, Readable>): AppProcess {
  let text = "";
  const listeners: ((text: string) => void)[] = [];
  const urlIn = (port: RegExp) => {
    const url = new Promise<string>((resolve, reject) => {
      listeners.push((said) => {
        const found = port.exec(said)?.[1];
        if (found !== undefined) resolve(`http://127.0.0.1:${found}`);
      });
      // Who waits for it learns why, at once; who waits for the end alone does not care.
      child.on("close", (code) => reject(new Error(`it ended with ${code}, unheard: ${text}`)));
    });
    url.catch(() => undefined);
    return url;
  };
  const url = urlIn(/"port":(\d+)/);
  const detailsUrl = urlIn(/"managementPort":(\d+)/);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      for (const listener of listeners) listener(text);
    });
  }
  const end = new Promise<{ code: number | null; log: string }>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, log: text }));
  });
  const readyz = async () => {
    const response = await fetch(`${await url}/readyz`);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  return {
    child,
    url,
    detailsUrl,
    end,
    log: () => text,
    readyz,
    isReady: () => expect.poll(async () => (await readyz()).status, { timeout: 30_000 }).toBe(200),
  };
}
