import { spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { errorCode } from "../base/problem.ts";
import type { Binaries } from "./binaries.ts";
import { EmbeddedServerError } from "./embedded-error.ts";
import { launchIn } from "./launch.ts";
import type { Deadline } from "./poll.ts";
import type { ServerUser } from "./server-user.ts";

export interface InitdbOptions {
  /** An empty folder of the server's user. */
  readonly dataDir: string;
  readonly passwordFile: string;
  readonly binaries: Binaries;
  readonly user: ServerUser | undefined;
  readonly deadline: Deadline;
}

/** Fills an empty folder with a new cluster: UTF-8, C.UTF-8 order on every platform, superuser `postgres`. */
export async function runInitdb(options: InitdbOptions): Promise<void> {
  const { dataDir, passwordFile, binaries, user, deadline } = options;
  const launch = launchIn(dataDir, user);
  const password = await open(passwordFile);
  try {
    // The password is passed as an open file: its path may lead through folders that the server's
    // user cannot enter.
    const throughFd = user !== undefined && process.platform === "linux";
    const child = spawn(
      binaries.initdb,
      [
        `--pgdata=${launch.dataDir}`,
        `--pwfile=${throughFd ? "/proc/self/fd/3" : passwordFile}`,
        ...ARGUMENTS,
      ],
      { ...launch.options, stdio: ["ignore", "pipe", "pipe", password.fd] },
    );
    await finished(child, binaries, deadline);
  } finally {
    await password.close();
  }
}

const ARGUMENTS: readonly string[] = [
  "--username=postgres",
  "--auth=scram-sha-256",
  "--encoding=UTF8",
  "--locale-provider=builtin",
  "--builtin-locale=C.UTF-8",
  "--locale=C",
  "--no-instructions",
  // A power cut in the next seconds would cost only an empty development database.
  "--no-sync",
];

function finished(
  child: ReturnType<typeof spawn>,
  binaries: Binaries,
  deadline: Deadline,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = "";
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout?.on("data", collect);
    child.stderr?.on("data", collect);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, deadline.remainingMs());
    const fail = (how: string, cause?: unknown) => {
      clearTimeout(timer);
      reject(
        new EmbeddedServerError(isLate ? "start_timeout" : "init_failed", {
          fact: `${binaries.initdb} ${how}.`,
          output: lastLines(output),
          cause,
        }),
      );
    };
    child.once("error", (error) => fail(notExecuted(error), error));
    child.once("close", (code, signal) => {
      if (code === 0) {
        clearTimeout(timer);
        resolve();
      } else if (isLate) {
        fail(`made no data folder within ${deadline.timeoutMs} ms`);
      } else {
        fail(`ended with ${signal ?? code}`);
      }
    });
  });
}

/** Why a program that exists could not even start. */
export function notExecuted(error: Error): string {
  const why = `cannot be executed (${error.message})`;
  // The file was looked for before, so the loader that it names is missing.
  return errorCode(error) === "ENOENT"
    ? `${why}: it needs glibc, which Alpine and other musl systems lack`
    : why;
}

/** The end of a program's output. */
export function lastLines(output: string): string {
  return output.trim().split("\n").slice(-LINES).join("\n");
}

const LINES = 15;
