import {
  describeBlocker,
  describeHolder,
  duration,
  type Progress,
} from "../../db/migrate/index.ts";
import type { Output } from "./output.ts";

export interface ProgressView {
  readonly onProgress: (progress: Progress) => void;
  /** Takes the last line away. */
  readonly stop: () => void;
}

type Spinner = ReturnType<typeof import("yocto-spinner").default>;

const LONG_MS = 1_000;
const STILL_EVERY_MS = 30_000;

/**
 * Shows a run as it goes: a line for each step that is over, and what goes on now as
 * a spinner on a terminal, elsewhere as a line once it takes longer than a second.
 */
export async function showProgress(output: Output): Promise<ProgressView> {
  const { green } = output.errorColors;
  const spinner = output.live ? await createSpinner() : undefined;
  let doing: { readonly text: string; readonly since: number; saidAt: number } | undefined;
  let blockedBy: string | undefined;
  const isNew = newTexts();
  const tick = () => {
    if (doing === undefined) return;
    const took = Date.now() - doing.since;
    if (took < LONG_MS) return;
    const text = `${doing.text} ${duration(took)}`;
    if (spinner) spinner.text = text;
    else if (Date.now() - doing.saidAt > STILL_EVERY_MS) {
      doing.saidAt = Date.now();
      output.note(text);
    }
  };
  const timer = setInterval(tick, 250);
  timer.unref();
  return {
    onProgress: (progress) => {
      const { done, next } = describe(progress);
      if (progress.kind === "notice" && !isNew(`${done}`)) return;
      if (progress.kind === "blocked" && next !== undefined) {
        const who = progress.blockers.map(({ pid }) => pid).join();
        if (spinner) spinner.text = next;
        else if (who !== blockedBy) output.note(next);
        blockedBy = who;
        return;
      }
      blockedBy = undefined;
      if (done !== undefined) {
        doing = undefined;
        output.note(progress.kind === "migration-done" ? `${green("✓")} ${done}` : done);
      }
      if (next === undefined || next === doing?.text) return;
      doing = { text: next, since: Date.now(), saidAt: 0 };
      if (spinner) {
        spinner.text = next;
        spinner.start();
      }
    },
    stop: () => {
      clearInterval(timer);
      spinner?.stop();
    },
  };
}

const REMEMBERED_TEXTS = 1_000;

/**
 * Whether a text is said for the first time. The server says the same several times: at each
 * parse of a body in which a name is too long, at each try of a migration that gets no lock.
 */
function newTexts(): (text: string) => boolean {
  const said = new Set<string>();
  return (text) => {
    if (said.has(text)) return false;
    if (said.size >= REMEMBERED_TEXTS) said.clear();
    said.add(text);
    return true;
  };
}

/** A step as text: what is over, and what goes on now. */
export function describe(progress: Progress): { readonly done?: string; readonly next?: string } {
  switch (progress.kind) {
    case "server-unavailable":
      return { next: `waiting for the server: ${progress.reason}` };
    case "ledger-created":
      return { done: `created the ledger in schema ${progress.schema}` };
    case "waiting":
      return { next: `waiting for another runner: ${describeHolder(progress.holder)}` };
    case "behind": {
      const { pending, holder } = progress;
      const who = holder === undefined ? "nobody is at work" : describeHolder(holder);
      return { next: `waiting for ${pending} pending: ${who}` };
    }
    case "took-over":
      return { done: `took over from a runner that is gone: ${describeHolder(progress.holder)}` };
    case "planned":
      return { done: `${progress.tags.length} pending` };
    case "migration-started": {
      const { tag, index, total, statements, resumedAt } = progress;
      const from = resumedAt > 0 ? `, from statement ${resumedAt + 1}` : "";
      return {
        next: `${tag} (${index + 1} of ${total}, ${statements} statement${statements === 1 ? "" : "s"}${from})`,
      };
    }
    case "statement-started": {
      const { tag, statement, statements, label } = progress;
      return { next: `${tag}, statement ${statement} of ${statements}: ${label}` };
    }
    case "statement-done":
      return { done: `${progress.label}  ${duration(progress.durationMs)}` };
    case "statement-found":
      return { done: `${progress.tag}: ${progress.message}` };
    case "blocked":
      return {
        next: `${progress.tag} waits for a lock held by ${progress.blockers.map(describeBlocker).join("; ")}`,
      };
    case "lock-retry": {
      const { tag, reason, tries, of, pauseMs, blockers } = progress;
      const held = blockers.map((blocker) => `; held by ${describeBlocker(blocker)}`).join("");
      return {
        done: `${tag}: ${reason} (try ${tries} of ${of}), rolled back, again in ${duration(pauseMs)}${held}`,
      };
    }
    case "migration-done":
      return { done: `${progress.tag}  ${duration(progress.durationMs)}` };
    case "notice":
      return { done: `${progress.severity.toLowerCase()}: ${progress.message}` };
    case "reconnecting":
      return { done: `${progress.reason}; connecting again (${progress.attempt})` };
    case "lease-lost":
      return { done: "another runner took the lease; waiting for it" };
    case "warning":
      return { done: `warning: ${progress.warning.message}` };
    default:
      return {};
  }
}

async function createSpinner(): Promise<Spinner> {
  const { default: yoctoSpinner } = await import("yocto-spinner");
  // Signals are the command's own to handle.
  return yoctoSpinner({ stream: process.stderr, handleSignals: false });
}
