import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { inject, onTestFinished } from "vitest";
import type {
  MigrateOptions,
  MigrateReport,
  MigratorOptions,
  Progress,
  RollbackOptions,
  RollbackReport,
} from "../../src/db/migrate/index.ts";
import type { Failpoint } from "../../src/db/migrate/run-types.ts";

export interface RunnerTask {
  readonly options: MigratorOptions;
  /** How many runs there are in the process, all at once. Default 1. */
  readonly runners?: number;
  /** How far the process's clock is from the right time, in milliseconds. */
  readonly clockMs?: number;
  readonly migrate?: Pick<MigrateOptions, "to" | "allowOutOfOrder" | "allowExisting">;
  /** Runs the backfills of the background again and again for so many milliseconds, in place of migrating. */
  readonly worksFor?: number;
  /** Takes migrations back, in place of applying them. */
  readonly rollback?: RollbackOptions;
  /**
   * Where the process is to send itself a signal; SIGKILL when none is named. At a point of
   * that name, or at the nth of all, from 0. A test whose runner never comes to a named one fails,
   * unless it may miss it.
   */
  readonly failpoint?: (Failpoint | { readonly nth: number }) & {
    readonly signal?: NodeJS.Signals;
    readonly mayBeMissed?: boolean;
  };
}

export interface RunnerEnd {
  readonly report?: MigrateReport & Pick<RollbackReport, "reverted">;
  /** Of the other runs in the process. */
  readonly others?: readonly MigrateReport[];
  readonly error?: { readonly code: string; readonly message: string; readonly stack: string };
  readonly progress: readonly Progress[];
  /** The signal that ended the process, where one did. */
  readonly signal: NodeJS.Signals | null;
}

export interface Runner {
  readonly child: ChildProcess;
  /** Lets it go: it has loaded its modules and waits. */
  readonly start: (task: RunnerTask) => void;
  readonly end: Promise<RunnerEnd>;
  /** Resolves as it comes to its failpoint, just before it sends itself the signal. */
  readonly atFailpoint: Promise<void>;
  /**
   * Lets a stopped process go on. Again and again until it has ended: it says that it
   * stops just before it does, and what comes in between is lost.
   */
  readonly resume: () => void;
  /** Resolves when it has looked at the lease that often from now on. */
  readonly looksAgain: (times: number) => Promise<void>;
  /** Resolves with the first progress of that kind. */
  readonly seen: (kind: Progress["kind"]) => Promise<Progress>;
}

/** Starts an OS process with a runner in it, up to the barrier. */
export async function startRunner(): Promise<Runner> {
  const script = fileURLToPath(new URL("runner-child.mjs", import.meta.url));
  const child = fork(script, [inject("builtEngine")], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  let awaited: Failpoint | undefined;
  // A test that fails half-way leaves no frozen process behind.
  onTestFinished(() => {
    child.kill("SIGKILL");
    if (awaited === undefined) return;
    throw new Error(`no runner came to its failpoint ${awaited.phase} ${awaited.message}`);
  });
  let last: Omit<RunnerEnd, "signal"> = { progress: [] };
  const lookers: (() => void)[] = [];
  const watchers: { kind: Progress["kind"]; resolve: (item: Progress) => void }[] = [];
  const end = new Promise<RunnerEnd>((resolve) => {
    child.on("exit", (_code, signal) => resolve({ ...last, signal }));
  });
  let arrive: () => void = () => undefined;
  const atFailpoint = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  await new Promise<void>((resolve, reject) => {
    child.on("message", (message: { kind: string; item: Progress } & typeof last) => {
      if (message.kind === "ready") resolve();
      if (message.kind === "failpoint") {
        awaited = undefined;
        arrive();
      }
      if (message.kind === "looked") for (const count of lookers) count();
      if (message.kind === "end") last = message;
      if (message.kind === "progress") {
        for (const watcher of watchers.filter(({ kind }) => kind === message.item.kind)) {
          watcher.resolve(message.item);
        }
      }
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`the runner ended with ${code} before it began`)));
  });
  return {
    child,
    // The tests fill their databases first.
    start: (task) => {
      const { failpoint, migrate } = task;
      const isNamed = failpoint !== undefined && "message" in failpoint;
      if (isNamed && !failpoint.mayBeMissed) awaited = failpoint;
      child.send({ ...task, migrate: { allowExisting: true, ...migrate } } satisfies RunnerTask);
    },
    end,
    atFailpoint,
    looksAgain: (times) =>
      new Promise((resolve) => {
        let left = times;
        lookers.push(() => {
          left -= 1;
          if (left === 0) resolve();
        });
      }),
    resume: () => {
      const timer = setInterval(() => child.kill("SIGCONT"), 20);
      child.on("exit", () => clearInterval(timer));
    },
    seen: (kind) => new Promise((resolve) => watchers.push({ kind, resolve })),
  };
}

/** Runs one task in a process of its own. */
export async function runInProcess(task: RunnerTask): Promise<RunnerEnd> {
  const runner = await startRunner();
  runner.start(task);
  return runner.end;
}

/** Starts that many processes, and lets them all go at one moment. */
export async function runHerd(count: number, task: RunnerTask): Promise<readonly RunnerEnd[]> {
  const runners = await Promise.all(Array.from({ length: count }, startRunner));
  for (const runner of runners) runner.start(task);
  return Promise.all(runners.map(({ end }) => end));
}
