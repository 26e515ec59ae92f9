import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { RunnerOptions, RunnerProgress } from "../../src/projections/index.ts";

export interface ProjectorTask
  extends Pick<RunnerOptions, "batchSize" | "idleTimeoutMs" | "parallelism" | "pollMs"> {
  readonly url: string;
  /** Rebuild the tallies, in place of a runner. */
  readonly rebuild?: boolean;
  /** Of tallies; only the first writes rows. Default 1. */
  readonly projections?: number;
  /** The process sends itself the signal in the transaction of that batch, its rows written. */
  readonly signalAt?: { readonly batch: number; readonly signal: NodeJS.Signals };
}

export interface Projector {
  readonly child: ChildProcess;
  readonly progress: readonly RunnerProgress[];
  start(task: ProjectorTask): void;
  /** Resolves just before it sends itself its signal. */
  readonly atSignal: Promise<void>;
  /** Resolves when the process has ended. */
  readonly end: Promise<void>;
  /** Drains it and ends the process. */
  stop(): Promise<void>;
}

/** Starts an OS process that waits for a projection runner to run. */
export async function startProjector(): Promise<Projector> {
  const script = fileURLToPath(new URL("projector-child.ts", import.meta.url));
  const child = fork(script, [], {
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const progress: RunnerProgress[] = [];
  const end = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  let arrive: () => void = () => undefined;
  const atSignal = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  await new Promise<void>((resolve, reject) => {
    child.on("message", (message: { kind: string; item: RunnerProgress }) => {
      if (message.kind === "ready") resolve();
      if (message.kind === "at-signal") arrive();
      if (message.kind === "progress") progress.push(message.item);
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`the process ended with ${code} before it began`)));
  });
  return {
    child,
    progress,
    start: (task) => void child.send(task),
    atSignal,
    end,
    stop: async () => {
      child.send("stop");
      await end;
    },
  };
}
