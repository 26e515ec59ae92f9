import { AsyncLocalStorage, createHook } from "node:async_hooks";
import type { Remote } from "../../../connection/session.ts";
import { StepMisuse } from "./misuse.ts";

/** A step that runs in this process, and what is told of what it does beside its promise. */
interface Watched {
  /** Where its own session leads to. */
  readonly remotes: () => readonly Remote[];
  readonly onMisuse: (misuse: StepMisuse) => void;
}

/** What belongs to which step: all that it has begun, however late it comes. */
const within = new AsyncLocalStorage<Watched>();
const running = new Set<Watched>();

/**
 * Runs code of a step, and catches what it does to the process: an exit, an error that nobody handles, a connection
 * of its own to the database. What others in the process do is left alone.
 *
 * @param onMisuse told of each, once
 */
export async function watchStep<T>(watched: Watched, work: () => Promise<T>): Promise<T> {
  if (running.size === 0) install();
  running.add(watched);
  try {
    return await within.run(watched, work);
  } finally {
    running.delete(watched);
    if (running.size === 0) uninstall();
  }
}

/** The step whose code runs now, if it is not over. */
function current(): Watched | undefined {
  const watched = within.getStore();
  return watched !== undefined && running.has(watched) ? watched : undefined;
}

let original: Pick<NodeJS.Process, "exit" | "emit"> | undefined;

function install(): void {
  const { exit, emit } = process;
  original = { exit, emit };
  process.exit = (code) => {
    const watched = current();
    if (watched === undefined) return exit.call(process, code);
    const misuse = new StepMisuse(
      `it called process.exit(${code ?? ""})`,
      "Return where there is nothing more to do, throw where it failed.",
    );
    watched.onMisuse(misuse);
    throw misuse;
  };
  const deliver = emit as (...event: unknown[]) => boolean;
  process.emit = ((...event: unknown[]) => {
    const watched = UNHANDLED.has(event[0]) ? current() : undefined;
    if (watched === undefined) return deliver.apply(process, event);
    watched.onMisuse(unhandled(event[0], event[1]));
    return true;
  }) as typeof process.emit;
  connecting.enable();
}

function uninstall(): void {
  connecting.disable();
  if (original !== undefined) Object.assign(process, original);
  original = undefined;
}

const UNHANDLED: ReadonlySet<unknown> = new Set(["unhandledRejection", "uncaughtException"]);

function unhandled(event: unknown, cause: unknown): StepMisuse {
  const isRejection = event === "unhandledRejection";
  const text = cause instanceof Error ? cause.message : String(cause);
  return isRejection
    ? new StepMisuse(
        `a promise that it did not await was rejected: ${text}`,
        "Await each promise (a forgotten `await` is the usual cause).",
        { cause },
      )
    : new StepMisuse(
        `an error was thrown outside of its promise, in a timer or an event: ${text}`,
        "Catch it there, and throw it where the step awaits.",
        { cause },
      );
}

/** What Node makes before it connects; it has its address a moment later. */
const CONNECTS: ReadonlySet<string> = new Set(["TCPCONNECTWRAP", "PIPECONNECTWRAP"]);

const connecting = createHook({
  init: (_id, type, _trigger, resource: Partial<Remote>) => {
    if (!CONNECTS.has(type)) return;
    const watched = current();
    if (watched === undefined) return;
    queueMicrotask(() => {
      if (!watched.remotes().some((own) => isSame(own, resource))) return;
      watched.onMisuse(
        new StepMisuse(
          "it opened a connection of its own to the database",
          "Use ctx.sql or ctx.db: what another connection does is not rolled back with the step, and it waits for the step's locks for ever.",
        ),
      );
    });
  },
});

function isSame(own: Remote, other: Partial<Remote>): boolean {
  return own.port === other.port && host(own.address) === host(other.address);
}

function host(address: string | undefined): string | undefined {
  return address === "::1" || address?.startsWith("127.") ? "this machine" : address;
}
