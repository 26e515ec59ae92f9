import { duration } from "../../db/base/text.ts";
import type { Output } from "./output.ts";
import { visible } from "./visible.ts";

const LONG_MS = 1_000;
const STILL_EVERY_MS = 10_000;

/** What a command is doing now. */
export interface LiveLine {
  /** Undefined: nothing. The same step may change its text. */
  readonly show: (step: { readonly name: string; readonly text: string } | undefined) => void;
  /** How far the step is; forgotten with it. */
  readonly detail: (text: string | undefined) => void;
  /** A text for this moment, which keeps the step and its time. */
  readonly remark: (text: string) => void;
}

/**
 * Runs `work` and shows what takes more than a second: as a spinner on a terminal, which is removed
 * whatever happens, elsewhere as a line every ten seconds.
 */
export async function withLiveLine<T>(
  output: Output,
  work: (line: LiveLine) => Promise<T>,
): Promise<T> {
  // The command handles signals itself.
  const spinner = output.live
    ? (await import("yocto-spinner")).default({ stream: process.stderr, handleSignals: false })
    : undefined;
  let now: { name: string; text: string; since: number; detail?: string | undefined } | undefined;
  let saidAt = Number.NEGATIVE_INFINITY;
  const timer = setInterval(() => {
    if (now === undefined) return;
    const at = performance.now();
    if (at - now.since < LONG_MS) return;
    const { text: step, detail } = now;
    const text = `${step}${detail === undefined ? "" : `: ${detail},`} ${duration(at - now.since)}`;
    if (spinner) spinner.text = visible(text, false);
    else if (at - saidAt > STILL_EVERY_MS) {
      saidAt = at;
      output.note(text);
    }
  }, 250);
  timer.unref();
  const show: LiveLine["show"] = (step) => {
    if (step === undefined) {
      now = undefined;
      return;
    }
    if (now?.name === step.name) now.text = step.text;
    else {
      now = { ...step, since: performance.now() };
      saidAt = Number.NEGATIVE_INFINITY;
    }
    if (spinner) {
      spinner.text = visible(step.text, false);
      spinner.start();
    }
  };
  const detail: LiveLine["detail"] = (text) => {
    if (now !== undefined) now.detail = text;
  };
  const remark: LiveLine["remark"] = (text) => {
    if (spinner) spinner.text = visible(text, false);
    else output.note(text);
  };
  try {
    return await work({ show, detail, remark });
  } finally {
    clearInterval(timer);
    spinner?.stop();
  }
}
