import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { messageOf } from "../src/db/base/problem.ts";
import { withAdmin } from "../src/db/server/admin.ts";

/** A server, or why there is none. */
export type ContainerOutcome =
  | { readonly kind: "running"; readonly url: string; readonly started: boolean }
  | { readonly kind: "unavailable"; readonly reason: string };

export interface ContainerOptions {
  /** Folder of the project that the container is for. */
  readonly project: string;
  readonly image: string;
  readonly onProgress: (line: string) => void;
}

const ANSWER_TIMEOUT_MS = 3_000;
const PULL_TIMEOUT_MS = 300_000;
const READY_TIMEOUT_MS = 60_000;
const PAUSE_MS = 100;

/** Labels a container with the image that was asked for. */
const IMAGE_LABEL = "tidemark.test-image";
const SETTINGS = ["fsync=off", "full_page_writes=off", "max_connections=300"];

/** One container per checkout: the folder's name is not enough. */
export function containerName(project: string): string {
  const hash = createHash("sha256").update(project).digest("hex").slice(0, 8);
  return `tidemark-test-${hash}`;
}

/**
 * Starts the project's container, or finds it running. Whatever Docker refuses is a reason,
 * not an error: there is another way to have a server.
 */
export async function startContainer(options: ContainerOptions): Promise<ContainerOutcome> {
  if (!(await dockerAnswers())) {
    return { kind: "unavailable", reason: "Docker does not answer" };
  }
  const name = containerName(options.project);
  let isOurs = false;
  try {
    if (!(await runsAlready(name, options.image))) {
      await docker(["rm", "--force", "--volumes", name]).catch(notThere);
      await ensureImage(options);
      await run(name, options.image);
      isOurs = true;
    }
    return { kind: "running", url: await readyUrl(name), started: isOurs };
  } catch (error) {
    // Another call started it: not ours to remove.
    if (isOurs) await docker(["rm", "--force", "--volumes", name]).catch(notThere);
    return { kind: "unavailable", reason: messageOf(error) };
  }
}

/** Stops and removes the project's container. */
export async function removeContainer(project: string): Promise<"removed" | "not-running"> {
  if (!(await dockerAnswers())) return "not-running";
  const name = containerName(project);
  const found = await docker(["ps", "--all", "--quiet", "--filter", `name=^/${name}$`]);
  if (found === "") return "not-running";
  await docker(["rm", "--force", "--volumes", name]);
  return "removed";
}

async function dockerAnswers(): Promise<boolean> {
  try {
    const format = ["--format", "{{.Server.Version}}"];
    return (await docker(["version", ...format], ANSWER_TIMEOUT_MS)) !== "";
  } catch {
    // Not installed, no engine, no permission, or no answer in time: all the same here.
    return false;
  }
}

async function runsAlready(name: string, image: string): Promise<boolean> {
  const format = `{{.State.Running}} {{index .Config.Labels "${IMAGE_LABEL}"}}`;
  const state = await docker(["container", "inspect", "--format", format, name]).catch(notThere);
  return state === `true ${image}`;
}

async function ensureImage({ image, onProgress }: ContainerOptions): Promise<void> {
  const known = await docker(["image", "inspect", "--format", "{{.Id}}", image]).catch(notThere);
  if (known) return;
  onProgress(`pulling ${image}`);
  try {
    await docker(["pull", "--quiet", image], PULL_TIMEOUT_MS);
  } catch (cause) {
    throw new Error(`the image ${image} cannot be pulled (${messageOf(cause)})`, { cause });
  }
}

async function run(name: string, image: string): Promise<void> {
  const settings = SETTINGS.flatMap((setting) => ["-c", setting]);
  await docker([
    ...["run", "--detach", "--name", name, "--label", `${IMAGE_LABEL}=${image}`],
    // A port that the system chooses, on this machine only.
    ...["--env", `${PASSWORD}=${randomBytes(18).toString("base64url")}`],
    ...["--publish", "127.0.0.1::5432"],
    ...[image, "postgres", ...settings],
  ]);
}

/** The URL, once the server answers there. The image restarts it once before that. */
async function readyUrl(name: string): Promise<string> {
  const password = await passwordOf(name);
  const end = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    // Fails, with the reason, when the container has ended.
    const address = (await docker(["port", name, "5432/tcp"])).split("\n")[0] ?? "";
    const url = `postgres://postgres:${password}@${address}/postgres`;
    const problem = address === "" ? "it has ended" : await problemOf(url);
    if (problem === undefined) return url;
    if (address === "" || performance.now() > end) {
      const log = await docker(["logs", "--tail", "5", name]).catch(notThere);
      throw new Error(
        `PostgreSQL in the container ${name} does not answer: ${problem}${log && `\n${log}`}`,
      );
    }
    await sleep(PAUSE_MS);
  }
}

const PASSWORD = "POSTGRES_PASSWORD";

async function passwordOf(name: string): Promise<string> {
  const format = "{{range .Config.Env}}{{println .}}{{end}}";
  const variables = await docker(["container", "inspect", "--format", format, name]);
  const line = variables.split("\n").find((variable) => variable.startsWith(`${PASSWORD}=`));
  return line?.slice(PASSWORD.length + 1) ?? "";
}

async function problemOf(url: string): Promise<string | undefined> {
  return withAdmin({ url }, async () => undefined).catch(messageOf);
}

const COMMAND_TIMEOUT_MS = 60_000;

/** Runs docker and returns its output. Throws docker's last line. */
async function docker(args: readonly string[], timeout = COMMAND_TIMEOUT_MS): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)("docker", args, {
      timeout,
      killSignal: "SIGKILL",
    });
    return stdout.trim();
  } catch (cause) {
    throw new Error(reasonOf(cause, timeout), { cause });
  }
}

function reasonOf(cause: unknown, timeoutMs: number): string {
  const { killed, stderr, message } = cause as {
    killed?: boolean;
    stderr?: string;
    message: string;
  };
  if (killed) return `no answer in ${timeoutMs / 1000} s`;
  return stderr?.trim().split("\n").at(-1) || message;
}

/** Nothing to inspect or remove if it is not there. */
function notThere(): string {
  return "";
}
